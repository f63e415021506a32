import assert from 'node:assert/strict';
import {createPrivateKey, createPublicKey} from 'node:crypto';
import test from 'node:test';
import {WalletError, createLegacyCryptoCallbacks} from 'walletd-matrix/legacy';
import {base64, key, refusal, serve} from './server.js';

const userId = '@alice:hs.example';
const unpadded = (bytes) => base64(bytes).replace(/=+$/, '');

// publicOf gives the public key of a seed as OpenSSL computes it.
function publicOf(seed) {
  const der = Buffer.concat([Buffer.from('302e020100300506032b657004220420', 'hex'), seed]);
  const {x} = createPublicKey(createPrivateKey({key: der, format: 'der', type: 'pkcs8'})).export({format: 'jwk'});
  return unpadded(Buffer.from(x, 'base64url'));
}

// keeper is a walletd with the secrets given, {name: value}, and what one may do with them.
async function keeper(t, secrets = {}, more = {}) {
  const kept = new Map(Object.entries(secrets).map(([name, value], i) => [name, {name, value, etag: `e${i}`}]));
  const walletd = await serve(t, ({method, path, headers, body}) => {
    const {pathname, searchParams} = new URL(path, 'http://walletd');
    if (pathname === '/v1/secret-storage/keys') return {body: {key: base64(key(9)), name: 'walletd', recoveryKey: 'EsTG'}};
    if (pathname === '/v1/secrets') {
      const items = [...kept.values()].map(({name, etag}) => ({name, etag}));
      const from = Number(searchParams.get('cursor') ?? 0); // one on each page
      return {body: {items: items.slice(from, from + 1), ...(from + 1 < items.length && {next: String(from + 1)})}};
    }
    const name = decodeURIComponent(pathname.replace('/v1/secrets/', ''));
    const there = kept.get(name);
    if (method === 'GET') return there ? {body: there} : refusal(404, 'not_found');
    if ((headers['if-match'] ?? '') !== (there ? `"${there.etag}"` : '')) return refusal(412, 'precondition_failed');
    kept.set(name, {name, value: body.value, etag: `e${kept.size + 10}`});
    return {status: there ? 200 : 201, body: {name, etag: kept.get(name).etag}};
  });
  return {kept, walletd, callbacks: createLegacyCryptoCallbacks({...walletd, userId, ...more})};
}

test('getCrossSigningKey', async (t) => {
  const secrets = {'m.cross_signing.master': unpadded(key(1)), 'm.cross_signing.self_signing': base64(key(2))};

  await t.test('gives the seed of the public key', async (t) => {
    const {callbacks} = await keeper(t, secrets);
    assert.deepEqual(await callbacks.getCrossSigningKey('master', publicOf(key(1))), key(1));
    assert.deepEqual(await callbacks.getCrossSigningKey('self_signing', publicOf(key(2))), key(2));
  });

  for (const [what, type, pub] of [
    ['the seed of another public key', 'master', publicOf(key(2))],
    ['what is not kept', 'user_signing', publicOf(key(1))],
    ['what is no type', '../m.megolm_backup.v1', publicOf(key(1))],
    ['no public key', 'master', undefined],
  ]) {
    await t.test(`gives null for ${what}`, async (t) => {
      const {callbacks} = await keeper(t, secrets);
      assert.equal(await callbacks.getCrossSigningKey(type, pub), null);
    });
  }

  await t.test('throws for a secret that is no key', async (t) => {
    const {callbacks} = await keeper(t, {'m.cross_signing.master': 'correct horse'});
    await assert.rejects(callbacks.getCrossSigningKey('master', publicOf(key(1))), {code: 'bad_secret'});
  });
});

test('saveCrossSigningKeys', async (t) => {
  const keys = {master: key(1), self_signing: key(2), user_signing: key(3)};
  const names = ['m.cross_signing.master', 'm.cross_signing.self_signing', 'm.cross_signing.user_signing'];

  await t.test('keeps all three as Matrix writes them, and replaces those there are', async (t) => {
    const {callbacks, kept} = await keeper(t, {other: 'x', [names[1]]: unpadded(key(7))});
    assert.equal(callbacks.saveCrossSigningKeys(keys), undefined);
    await callbacks.saved();
    assert.deepEqual(names.map((name) => kept.get(name).value), [key(1), key(2), key(3)].map(unpadded));
    assert.equal(kept.get('other').value, 'x');
  });

  await t.test('takes the keys as they are now', async (t) => {
    const {callbacks, kept} = await keeper(t);
    const master = key(1);
    callbacks.saveCrossSigningKeys({master});
    master.fill(0); // the SDK may wipe them
    await callbacks.saved();
    assert.equal(kept.get(names[0]).value, unpadded(key(1)));
  });

  await t.test('leaves the last of two', async (t) => {
    const {callbacks, kept} = await keeper(t);
    callbacks.saveCrossSigningKeys(keys);
    callbacks.saveCrossSigningKeys({master: key(4)});
    await callbacks.saved();
    assert.deepEqual(names.map((name) => kept.get(name).value), [key(4), key(2), key(3)].map(unpadded));
  });

  await t.test('fails to the app and not to the SDK, and tries each', async (t) => {
    const errors = [];
    const walletd = await serve(t, ({method}) => (method === 'PUT' ? refusal(403, 'rejected') : {body: {items: []}}));
    const callbacks = createLegacyCryptoCallbacks({...walletd, userId, onError: (err) => errors.push(err.code)});
    callbacks.saveCrossSigningKeys(keys);
    await assert.rejects(callbacks.saved(), {code: 'rejected'});
    assert.deepEqual(errors, ['rejected']);
    assert.equal(walletd.asked().filter((line) => line.startsWith('PUT')).length, 3);
    callbacks.saveCrossSigningKeys(undefined);
    await callbacks.saved();
  });

  await t.test('does not write over and over against another writer', async (t) => {
    const walletd = await serve(t, ({method}) => (method === 'PUT' ? refusal(412, 'precondition_failed') : {body: {items: []}}));
    const callbacks = createLegacyCryptoCallbacks({...walletd, userId});
    callbacks.saveCrossSigningKeys({master: key(1)});
    await assert.rejects(callbacks.saved(), {code: 'precondition_failed'});
    assert.equal(walletd.asked().filter((line) => line.startsWith('PUT')).length, 3);
  });
});

test('getBackupKey', async (t) => {
  await t.test('gives the 32 bytes', async (t) => {
    const {callbacks} = await keeper(t, {'m.megolm_backup.v1': unpadded(key(5))});
    assert.deepEqual(await callbacks.getBackupKey(), key(5));
  });
  await t.test('throws if there is none', async (t) => {
    await assert.rejects((await keeper(t)).callbacks.getBackupKey(), {code: 'not_found'});
  });
});

test('getDehydrationKey', async (t) => {
  await t.test('gives the storage key, whole, once it is checked', async (t) => {
    const {callbacks, walletd} = await keeper(t, {}, {salt: 'dehydrated'});
    const check = (checked) => {
      assert.deepEqual(checked, key(9));
      checked.fill(0); // as unpickling does
    };
    assert.deepEqual(await callbacks.getDehydrationKey({algorithm: 'x', account: 'y'}, check), key(9));
    assert.deepEqual(walletd.requests[0].body, {salt: 'dehydrated'});
  });
  await t.test('throws if the device was made with another', async (t) => {
    const {callbacks} = await keeper(t);
    const asking = callbacks.getDehydrationKey({}, () => {
      throw new Error('BAD_ACCOUNT_KEY');
    });
    await assert.rejects(asking, (err) => err.code === 'no_match' && err.cause.message === 'BAD_ACCOUNT_KEY');
  });
});

test('onSecretRequested', async (t) => {
  const backup = 'm.megolm_backup.v1';
  const secrets = {[backup]: unpadded(key(5)), notes: unpadded(key(6))};
  const trusted = {isVerified: () => true};

  await t.test("gives the text to a verified device of one's own", async (t) => {
    const {callbacks} = await keeper(t, secrets);
    assert.equal(await callbacks.onSecretRequested(userId, 'D', '1', backup, trusted), unpadded(key(5)));
    assert.equal(await callbacks.onSecretRequested(userId, 'D', '2', 'm.cross_signing.master', trusted), undefined);
  });

  for (const [what, user, name, trust] of [
    ["somebody else's device", '@mallory:hs.example', backup, trusted],
    ['a device that is not verified', userId, backup, {isVerified: () => false}],
    ['a device that may be verified one day', userId, backup, {isVerified: () => Promise.resolve(true)}],
    ['a device of which nothing is known', userId, backup, undefined],
    ['a secret that is not for sharing', userId, 'notes', trusted],
  ]) {
    await t.test(`gives nothing to ${what}, and asks nobody`, async (t) => {
      const {callbacks, walletd} = await keeper(t, secrets);
      assert.equal(await callbacks.onSecretRequested(user, 'D', '1', name, trust), undefined);
      assert.deepEqual(walletd.asked(), []);
    });
  }

  await t.test('does not fail, but says why', async (t) => {
    const errors = [];
    const walletd = await serve(t, () => refusal(423, 'locked'));
    const callbacks = createLegacyCryptoCallbacks({...walletd, userId, onError: (err) => errors.push(err.code)});
    assert.equal(await callbacks.onSecretRequested(userId, 'D', '1', backup, trusted), undefined);
    assert.deepEqual(errors, ['locked']);
  });
});

test('shouldUpgradeDeviceVerifications verifies nobody', async (t) => {
  const {callbacks, walletd} = await keeper(t);
  assert.deepEqual(await callbacks.shouldUpgradeDeviceVerifications({users: {'@bob:hs.example': {}}}), []);
  assert.deepEqual(walletd.asked(), []);
});

test('createLegacyCryptoCallbacks wants to know whose devices may ask', () => {
  const options = {url: 'https://wallet.example', token: 't'};
  assert.throws(() => createLegacyCryptoCallbacks(options), (err) => err instanceof WalletError && err.code === 'bad_option');
});
