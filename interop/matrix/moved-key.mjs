// An account that moved to a second key, as a client with the Rust SDK leaves it: a copy of the secret
// under each of the keys, of which the one under the default key is the newer.
import {SECRET_STORAGE_ALGORITHM_V1_AES} from 'matrix-js-sdk/lib/secret-storage.js';
import {start, walletOf} from './lib/client.mjs';
import {program} from './lib/program.mjs';

const name = 'org.example.note';

await program(async (input, say) => {
  let client;
  const options = {getDefaultKeyId: () => client.secretStorage.getDefaultKeyId()};
  const calls = [];
  const wallet = walletOf(input, say, calls, options);
  client = await start(input, wallet);
  const storage = client.secretStorage;

  const copies = {};
  let last;
  for (const [salt, text] of [['m.secret_storage', 'old'], ['another', 'new']]) {
    const {privateKey, keyInfo} = await walletOf(input, say, calls, {salt}).createSecretStorageKey();
    ({keyId: last} = await storage.addKey(SECRET_STORAGE_ALGORITHM_V1_AES, {...keyInfo, key: privateKey}));
    await storage.store(name, text, [last]);
    Object.assign(copies, client.getAccountData(name).getContent().encrypted);
  }
  await storage.setDefaultKeyId(last);
  await client.setAccountData(name, {encrypted: copies});

  // The first key is remembered, which must not decide; and walletd is asked anew.
  const remembered = await storage.get(name);
  wallet.forget();
  const asked = await storage.get(name);
  client.stopClient();
  return {ok: Object.keys(copies).length === 2 && remembered === asked, calls, message: asked};
});
