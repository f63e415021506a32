// A user's first device: it sets up cross-signing, secret storage under a key of the wallet, and a
// backup of its room keys, and sends a message that only who has a room key can read.
import {need} from '../lib/run.mjs';
import {start, stateOf, walletOf} from './lib/client.mjs';
import {program} from './lib/program.mjs';

await program(async (input, say) => {
  const calls = [];
  const wallet = walletOf(input, say, calls);
  const client = await start(input, wallet);
  const crypto = client.getCrypto();
  await crypto.bootstrapCrossSigning({authUploadDeviceSigningKeys: (upload) => upload(null)});
  await crypto.bootstrapSecretStorage({createSecretStorageKey: wallet.createSecretStorageKey, setupNewKeyBackup: true});

  const backedUp = new Promise((resolve) => {
    client.on('crypto.keyBackupSessionsRemaining', (remaining) => remaining === 0 && resolve());
  });
  await client.sendEvent(need(input, 'room'), 'm.room.message', {msgtype: 'm.text', body: need(input, 'message')});
  await backedUp;
  const state = await stateOf(client);
  const keyId = await client.secretStorage.getDefaultKeyId();
  client.stopClient();
  return {ok: true, calls, keyId, ...state};
});
