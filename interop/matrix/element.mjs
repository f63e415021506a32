// Element Web, as far as its secret storage goes: when the person has signed in it tells the module, and asks
// it for a key when the SDK wants one, synchronously.
import {createCryptoSetupExtensions} from 'walletd-matrix/element';
import {need} from '../lib/run.mjs';
import {start} from './lib/client.mjs';
import {program} from './lib/program.mjs';

const name = 'org.example.note';

await program(async (input, say) => {
  const {url, token, store} = need(input, 'walletd');
  const errors = [];
  const cryptoSetup = createCryptoSetupExtensions({
    url, token, onPending: ({id, code, expiresAt}) => say({pending: id, code, expiresAt}), onError: (err) => errors.push(err.code),
  });
  const credentials = {homeserverUrl: need(input, 'homeserver'), userId: need(input, 'user'), deviceId: need(input, 'device'), accessToken: input.device};
  cryptoSetup.examineLoginResponse({}, credentials);
  cryptoSetup.persistCredentials(credentials);
  await cryptoSetup.ready();

  let client, made;
  client = await start(input, {
    // As SecurityManager of Element does it.
    getSecretStorageKey: async ({keys}) => {
      const keyId = (await client.secretStorage.getDefaultKeyId()) ?? Object.keys(keys)[0];
      const key = made ?? cryptoSetup.getSecretStorageKey();
      return key && keyId in keys ? [keyId, key] : null;
    },
  });
  if (store !== undefined) {
    made = cryptoSetup.createSecretStorageKey();
    if (!made) return {ok: false, error: 'the module has no key for a new storage', calls: errors};
    await client.getCrypto().bootstrapSecretStorage({createSecretStorageKey: async () => ({privateKey: made})});
    await client.secretStorage.store(name, store);
  }
  const message = await client.secretStorage.get(name);
  client.stopClient();
  return {ok: true, message, calls: errors};
});
