// A Matrix client with matrix-js-sdk and its Rust crypto, as an app makes it. The input's `sdk` says which.
import {createCryptoCallbacks} from 'walletd-matrix';
import {need} from '../../lib/run.mjs';

// walletOf gives what walletd-matrix makes, and notes in `calls` what the SDK calls of it.
export function walletOf(input, say, calls, options = {}) {
  const {limit, sdk, ...connection} = need(input, 'walletd');
  const wallet = createCryptoCallbacks({
    ...connection,
    signal: limit && (() => AbortSignal.timeout(limit)),
    onPending: ({id, code, expiresAt}) => say({pending: id, code, expiresAt}),
    onError: (err) => calls.push(`error ${err.code}`),
    ...options,
  });
  const noted = {};
  for (const [name, call] of Object.entries(wallet)) {
    noted[name] = (...args) => {
      calls.push(name === 'getSecretStorageKey' ? `${name} ${args[1]}` : name);
      return call(...args);
    };
  }
  return noted;
}

// sdkOf is matrix-js-sdk itself, of the version that the input names, or the newest.
const sdkOf = (input) => import(input.walletd.sdk ?? 'matrix-js-sdk');

// start signs a device in, until its first sync is done.
export async function start(input, cryptoCallbacks) {
  const {ClientEvent, SyncState, createClient} = await sdkOf(input);
  const client = createClient({
    baseUrl: need(input, 'homeserver'),
    userId: need(input, 'user'),
    deviceId: need(input, 'device'),
    accessToken: input.device,
    cryptoCallbacks,
  });
  await client.initRustCrypto({useIndexedDB: false});
  const prepared = new Promise((resolve) => {
    client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve());
  });
  await client.startClient({initialSyncLimit: 20});
  await prepared;
  return client;
}

// stateOf is what the SDK says of encryption on this device.
export async function stateOf(client) {
  const crypto = client.getCrypto();
  const {privateKeysCachedLocally} = await crypto.getCrossSigningStatus();
  const device = await crypto.getDeviceVerificationStatus(client.getUserId(), client.getDeviceId());
  return {
    crossSigning: await crypto.isCrossSigningReady(),
    secretStorage: await crypto.isSecretStorageReady(),
    privateKeys: Object.values(privateKeysCachedLocally).filter(Boolean).length,
    verified: device.crossSigningVerified,
    backup: await crypto.getActiveSessionBackupVersion(),
  };
}
