// An account that was set up without walletd, as other clients do it: its key comes from a passphrase.
// With `read` it is a new device of that account, which has the wallet.
import {start, walletOf} from './lib/client.mjs';
import {program} from './lib/program.mjs';

const name = 'org.example.note';

await program(async (input, say) => {
  const {read, passphrase, ...walletd} = input.walletd;
  const data = (client, id) => client.getAccountDataFromServer(`m.secret_storage.key.${id}`);
  if (read) {
    const client = await start(input, walletOf({walletd}, say, []));
    const message = await client.secretStorage.get(name);
    const keyId = await client.secretStorage.getDefaultKeyId();
    const description = JSON.stringify(await data(client, keyId));
    client.stopClient();
    return {ok: true, message, keyId, description};
  }
  let key;
  const client = await start(input, {getSecretStorageKey: async ({keys}) => [Object.keys(keys)[0], key]});
  const crypto = client.getCrypto();
  const made = await crypto.createRecoveryKeyFromPassphrase(passphrase);
  key = made.privateKey;
  await crypto.bootstrapSecretStorage({createSecretStorageKey: async () => made});
  await client.secretStorage.store(name, 'from elsewhere');
  const keyId = await client.secretStorage.getDefaultKeyId();
  const description = JSON.stringify(await data(client, keyId));
  client.stopClient();
  return {ok: true, keyId, description, recoveryKey: made.encodedPrivateKey};
});
