// Secret storage by itself: the steps that the input names, as an app takes them.
import {start, walletOf} from './lib/client.mjs';
import {program} from './lib/program.mjs';

await program(async (input, say) => {
  const calls = [];
  let client;
  const {store, ...walletd} = input.walletd;
  const wallet = walletOf({walletd}, say, calls, {getDefaultKeyId: () => client.secretStorage.getDefaultKeyId()});
  client = await start(input, wallet);
  const storage = client.secretStorage;
  const name = 'org.example.note';
  if (store !== undefined) {
    await client.getCrypto().bootstrapSecretStorage({createSecretStorageKey: wallet.createSecretStorageKey});
    await storage.store(name, store);
    wallet.forget();
  }
  const message = await storage.get(name);
  const keyId = await storage.getDefaultKeyId();
  const [, description] = await storage.getKey();
  client.stopClient();
  return {ok: true, calls, message, keyId, name: description.name};
});
