// Two devices with the last SDK that has the old crypto. The first recovers with the two callbacks
// of today, keeps its keys in walletd as secrets, and shares them; the second recovers with the
// old callbacks alone, for it has no secret storage key.
import Olm from '@matrix-org/olm';
import {ClientEvent, MemoryCryptoStore, SyncState, createClient} from 'matrix-js-sdk-old';
import {createCryptoCallbacks} from 'walletd-matrix';
import {createLegacyCryptoCallbacks} from 'walletd-matrix/legacy';
import {need} from '../lib/run.mjs';
import {program} from './lib/program.mjs';

const types = ['master', 'self_signing', 'user_signing'];

async function start(input, deviceId, cryptoCallbacks) {
  const client = createClient({
    baseUrl: need(input, 'homeserver'),
    userId: need(input, 'user'),
    deviceId,
    accessToken: deviceId,
    cryptoCallbacks,
    cryptoStore: new MemoryCryptoStore(),
  });
  await client.initLegacyCrypto();
  const prepared = new Promise((resolve) => {
    client.on(ClientEvent.Sync, (state) => state === SyncState.Prepared && resolve());
  });
  await client.startClient({initialSyncLimit: 20});
  await prepared;
  await client.downloadKeys([input.user], true);
  return client;
}

const verified = async (client, device = client.getDeviceId()) =>
  (await client.getCrypto().getDeviceVerificationStatus(client.getUserId(), device)).crossSigningVerified;

await program(async (input, say) => {
  globalThis.Olm = Olm;
  await Olm.init();
  const [first, second] = need(input, 'devices');
  const calls = [];
  const options = {
    ...need(input, 'walletd'),
    userId: need(input, 'user'),
    onPending: ({id, code, expiresAt}) => say({pending: id, code, expiresAt}),
    onError: (err) => calls.push(`error ${err.code}`),
  };
  const old = createLegacyCryptoCallbacks(options);
  const noting = (names) => Object.fromEntries(names.map((name) => [name, (...args) => {
    calls.push(name);
    return old[name](...args);
  }]));

  const {getSecretStorageKey} = createCryptoCallbacks(options);
  const one = await start(input, first, {getSecretStorageKey, ...noting(['onSecretRequested', 'shouldUpgradeDeviceVerifications'])});
  await one.getCrypto().bootstrapCrossSigning({});
  const seeds = {};
  for (const type of types) seeds[type] = Buffer.from(await one.secretStorage.get(`m.cross_signing.${type}`), 'base64');
  old.saveCrossSigningKeys(seeds);
  await old.saved();

  const two = await start(input, second, noting(['getCrossSigningKey']));
  await two.getCrypto().bootstrapCrossSigning({});
  await one.downloadKeys([input.user], true); // the signature that makes the second one verified
  const shared = await two.requestSecret('m.cross_signing.user_signing', [first]).promise;

  const outcome = {
    ok: true,
    calls: [...new Set(calls)],
    verified: (await verified(one)) && (await verified(two)) && (await verified(one, second)),
    shared: shared === seeds.user_signing.toString('base64').replace(/=+$/, ''),
  };
  one.stopClient();
  two.stopClient();
  return outcome;
});
