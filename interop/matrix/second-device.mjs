// A new device of the same user, which has nothing but the wallet: it fetches the cross-signing
// keys and the room keys, and reads what the first one sent.
import {need} from '../lib/run.mjs';
import {start, stateOf, walletOf} from './lib/client.mjs';
import {program} from './lib/program.mjs';

await program(async (input, say) => {
  const calls = [];
  const client = await start(input, walletOf(input, say, calls));
  const crypto = client.getCrypto();
  const event = client.getRoom(need(input, 'room')).getLiveTimeline().getEvents().find((e) => e.isEncrypted());
  await event.getDecryptionPromise();
  const unreadable = event.isDecryptionFailure();
  // The SDK fetches the key by itself too, as soon as it can.
  const decrypted = new Promise((resolve) => event.on('Event.decrypted', () => event.isDecryptionFailure() || resolve()));

  await crypto.userHasCrossSigningKeys(); // fetches the public ones, which bootstrapCrossSigning needs
  await crypto.bootstrapCrossSigning({});
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
  await crypto.checkKeyBackupAndEnable();
  // Before 34.13 this was the client's.
  const {total} = await (crypto.restoreKeyBackup ? crypto.restoreKeyBackup() : client.restoreKeyBackupWithSecretStorage(await client.getKeyBackupVersion()));
  await decrypted;
  const state = await stateOf(client);
  client.stopClient();
  return {ok: true, calls, unreadable, total, message: event.getContent().body, ...state};
});
