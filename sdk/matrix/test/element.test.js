import assert from 'node:assert/strict';
import test from 'node:test';
import {createCryptoSetupExtensions} from 'walletd-matrix/element';
import {base64, description, key, refusal, serve} from './server.js';

const user = '@alice:hs.example';
const made = {body: {key: base64(key(9)), name: 'walletd z m.secret_storage', recoveryKey: 'EsTC'}};

// homeserver has this account data, and says 404 to the rest.
const homeserver = (t, data) => serve(t, ({path, headers}) => {
  if (headers.authorization !== 'Bearer secret of alice') return {status: 401, body: {errcode: 'M_UNKNOWN_TOKEN'}};
  const content = data[decodeURIComponent(path.split('/').at(-1))];
  return content ? {body: content} : {status: 404, body: {errcode: 'M_NOT_FOUND'}};
});
const account = {'m.secret_storage.default_key': {key: 'an id'}, 'm.secret_storage.key.an id': description()};
const credentials = ({url}) => ({homeserverUrl: `${url}/`, userId: user, accessToken: 'secret of alice', deviceId: 'D'});

test('the extensions of Element Web', async (t) => {
  await t.test('fetch the key of the account when the person has signed in, and answer it at once', async (t) => {
    const hs = await homeserver(t, account);
    const walletd = await serve(t, () => ({body: {keyId: 'an id', key: base64(key(7))}}));
    const extensions = createCryptoSetupExtensions(walletd);
    assert.equal(extensions.getSecretStorageKey(), null);
    extensions.examineLoginResponse({}, credentials(hs));
    extensions.persistCredentials(credentials(hs)); // Element calls both
    await extensions.ready();
    for (let i = 0; i < 2; i++) {
      const given = extensions.getSecretStorageKey();
      assert.deepEqual(given, key(7));
      given.fill(0); // what Element does to its copy is nothing to the next
    }
    assert.equal(extensions.createSecretStorageKey(), null); // the account has one
    assert.deepEqual(walletd.requests.map(({body}) => body), [
      {keys: {'an id': description()}, name: 'm.cross_signing.master', salt: `m.secret_storage:${user}`, user},
    ]);
    extensions.forget();
    assert.equal(extensions.getSecretStorageKey(), null);
  });

  for (const [what, data] of [
    ['has no storage', {}],
    ['has had its storage removed', {'m.secret_storage.default_key': {key: 'an id'}, 'm.secret_storage.key.an id': {removed: true}}],
  ]) {
    await t.test(`give a new key to an account that ${what}`, async (t) => {
      const walletd = await serve(t, () => made);
      const extensions = createCryptoSetupExtensions(walletd);
      extensions.persistCredentials(credentials(await homeserver(t, data)));
      await extensions.ready();
      assert.deepEqual(extensions.createSecretStorageKey(), key(9));
      assert.equal(extensions.getSecretStorageKey(), null);
      assert.deepEqual(walletd.asked(), ['POST /v1/secret-storage/keys']);
    });
  }

  for (const [what, answer, data, token, code] of [
    ['the person says no', refusal(403, 'rejected'), account, 'secret of alice', 'rejected'],
    ['the person says no to a new one', refusal(403, 'rejected'), {}, 'secret of alice', 'rejected'],
    ['walletd has another account\'s', refusal(404, 'no_match'), account, 'secret of alice', 'no_match'],
    ['walletd is locked', refusal(423, 'locked'), account, 'secret of alice', 'locked'],
    ['the homeserver tells nothing', refusal(423, 'locked'), account, 'another', 'homeserver'],
  ]) {
    await t.test(`give null, and say why once, when ${what}`, async (t) => {
      const errors = [];
      const extensions = createCryptoSetupExtensions({...(await serve(t, () => answer)), onError: (err) => errors.push(err.code)});
      extensions.persistCredentials({...credentials(await homeserver(t, data)), accessToken: token});
      await extensions.ready();
      assert.deepEqual([extensions.getSecretStorageKey(), extensions.createSecretStorageKey(), errors], [null, null, [code]]);
    });
  }

  await t.test('ask nobody for a guest, and leave the rest to Element', async (t) => {
    const walletd = await serve(t, () => made);
    const extensions = createCryptoSetupExtensions(walletd);
    extensions.persistCredentials({...credentials({url: 'http://127.0.0.1:1'}), guest: true});
    await extensions.ready();
    assert.deepEqual(walletd.requests, []);
    assert.deepEqual([extensions.setupEncryptionNeeded({}), extensions.SHOW_ENCRYPTION_SETUP_UI, extensions.getDehydrationKeyCallback()], [false, true, null]);
  });

  await t.test('refuse options that cannot be used before anybody signs in', () => {
    assert.throws(() => createCryptoSetupExtensions({url: 'http://wallet.example', token: 't'}), {code: 'bad_option'});
  });
});
