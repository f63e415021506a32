// A bot with matrix-js-sdk that keeps nothing between its runs: its wallet gives it the key of the account's secret
// storage, by a rule, and it answers what it reads. docs/matrix.md shows it as a recipe.
import {ClientEvent, SyncState, createClient} from 'matrix-js-sdk';
import {createCryptoCallbacks} from 'walletd-matrix';
import {program} from './lib/program.mjs';

await program(async ({homeserver: baseUrl, user: userId, device: deviceId, room, walletd: {url, token}}) => {
  const accessToken = deviceId;
  let client;
  const wallet = createCryptoCallbacks({url, token, userId, getDefaultKeyId: () => client.secretStorage.getDefaultKeyId()});
  client = createClient({baseUrl, userId, deviceId, accessToken, cryptoCallbacks: wallet});
  await client.initRustCrypto({useIndexedDB: false});
  await client.startClient({initialSyncLimit: 20});
  await new Promise((resolve) => client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve()));

  const crypto = client.getCrypto();
  await crypto.userHasCrossSigningKeys(); // fetches the public keys, without which the next line fails
  await crypto.bootstrapCrossSigning({}); // with the private ones from secret storage: the bot is verified now
  await crypto.loadSessionBackupPrivateKeyFromSecretStorage();
  await crypto.checkKeyBackupAndEnable();
  await crypto.restoreKeyBackup();

  const [event] = client.getRoom(room).getLiveTimeline().getEvents().filter((e) => e.isEncrypted());
  while (event.isDecryptionFailure()) await new Promise((resolve) => event.once('Event.decrypted', resolve));
  const message = event.getContent().body;
  await client.sendEvent(room, 'm.room.message', {msgtype: 'm.notice', body: `I read: ${message}`});
  const {crossSigningVerified} = await crypto.getDeviceVerificationStatus(userId, deviceId);
  client.stopClient();
  return {ok: true, message, verified: crossSigningVerified};
});
