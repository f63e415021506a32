import assert from 'node:assert/strict';
import test from 'node:test';
import {WalletError, createCryptoCallbacks} from 'walletd-matrix';
import {base64, description, key, refusal, serve} from './server.js';

const found = (keyId, fill = 7) => ({body: {keyId, key: base64(key(fill))}});
const name = 'm.cross_signing.master';

test('getSecretStorageKey', async (t) => {
  await t.test('gives the key that walletd has of one of these, as bytes', async (t) => {
    const walletd = await serve(t, () => found('b'));
    const keys = {a: description('a'), b: description('b')};
    const answer = await createCryptoCallbacks(walletd).getSecretStorageKey({keys}, name);
    assert.deepEqual(answer, ['b', key(7)]);
    assert.ok(answer[1] instanceof Uint8Array && answer[1].byteLength === 32);
    assert.deepEqual(walletd.asked(), ['POST /v1/secret-storage/key']);
    assert.deepEqual(walletd.requests[0].body, {keys, name});
    assert.equal(walletd.requests[0].headers.authorization, `Bearer ${walletd.token}`);
  });

  for (const [code, status] of Object.entries({no_match: 404, rejected: 403, denied: 403})) {
    await t.test(`gives null for ${code}, says which it was, and asks again the next time`, async (t) => {
      const walletd = await serve(t, () => refusal(status, code));
      const errors = [];
      const wallet = createCryptoCallbacks({...walletd, onError: ({code, asked}) => errors.push([code, asked])});
      for (let i = 0; i < 2; i++) assert.equal(await wallet.getSecretStorageKey({keys: {a: description()}}, name), null);
      assert.equal(walletd.requests.length, 2);
      assert.deepEqual(errors, [[code, false], [code, false]]);
    });
  }

  for (const [what, answer, code, status] of [
    ['a locked wallet', refusal(423, 'locked'), 'locked', 423],
    ['a token that is no more', refusal(401, 'unauthorized'), 'unauthorized', 401],
    ['a route that is not there', refusal(404, 'not_found'), 'not_found', 404],
    ['a question that nobody answered', refusal(410, 'expired'), 'expired', 410],
    ['too many that wait', refusal(429, 'rate_limited'), 'rate_limited', 429],
    ['a page of something else', {status: 502, body: '<html>'}, 'bad_answer', 502],
    ['a page that says it is well', {body: '<html>'}, 'bad_answer', 200],
    ['a key that was not asked for', found('other'), 'bad_answer', undefined],
    ['an id that every object has', found('toString'), 'bad_answer', undefined],
    ['a key that is none', {body: {keyId: 'a', key: 'AAAA'}}, 'bad_secret', undefined],
    ['a key that is a number', {body: {keyId: 'a', key: 7}}, 'bad_secret', undefined],
    ['nobody there', undefined, 'unreachable', undefined],
  ]) {
    await t.test(`throws for ${what}`, async (t) => {
      const walletd = await serve(t, () => answer);
      const errors = [];
      const asking = createCryptoCallbacks({...walletd, onError: (err) => errors.push(err.code)}).getSecretStorageKey({keys: {a: description()}}, name);
      await assert.rejects(asking, (err) => {
        assert.ok(err instanceof WalletError);
        assert.deepEqual([err.code, err.status], [code, status]);
        assert.ok(!err.message.includes(walletd.token));
        if (!['bad_answer', 'bad_secret'].includes(code) || status) assert.deepEqual(errors, [code]);
        return true;
      });
    });
  }

  await t.test('asks once for ten questions at once, and not for those after', async (t) => {
    const walletd = await serve(t, () => found('a'));
    const wallet = createCryptoCallbacks(walletd);
    const ask = () => wallet.getSecretStorageKey({keys: {a: description()}}, name);
    const answers = await Promise.all(Array.from({length: 10}, ask));
    answers[0][1].fill(0); // what one does to its key is nothing to the others
    for (const answer of [...answers.slice(1), await ask()]) assert.deepEqual(answer, ['a', key(7)]);
    assert.equal(walletd.requests.length, 1);
  });

  await t.test('asks again if the description of an id is another', async (t) => {
    let fill = 0;
    const walletd = await serve(t, () => found('a', ++fill));
    const wallet = createCryptoCallbacks(walletd);
    assert.deepEqual(await wallet.getSecretStorageKey({keys: {a: description('a')}}, name), ['a', key(1)]);
    assert.deepEqual(await wallet.getSecretStorageKey({keys: {a: description('b')}}, name), ['a', key(2)]);
  });

  await t.test('asks each time if nothing is to be remembered', async (t) => {
    const walletd = await serve(t, () => found('a'));
    const wallet = createCryptoCallbacks({...walletd, cacheFor: 0});
    for (let i = 0; i < 2; i++) await wallet.getSecretStorageKey({keys: {a: description()}}, name);
    assert.equal(walletd.requests.length, 2);
  });

  await t.test('asks once about a thousand descriptions, the likely ones first', async (t) => {
    const walletd = await serve(t, () => refusal(404, 'no_match'));
    const keys = Object.fromEntries(Array.from({length: 1000}, (_, i) => [`k${i}`, {...description(), name: 'Element'}]));
    keys.k900 = description();
    const wallet = createCryptoCallbacks({...walletd, getDefaultKeyId: () => 'k999'});
    assert.equal(await wallet.getSecretStorageKey({keys}, name), null);
    const [{body}, ...more] = walletd.requests;
    assert.deepEqual(more, []);
    assert.deepEqual(Object.keys(body.keys).slice(0, 3), ['k999', 'k900', 'k0']);
    assert.equal(Object.keys(body.keys).length, 16);
  });

  await t.test('is not spoiled by descriptions that cannot be read', async (t) => {
    const walletd = await serve(t, () => found('a'));
    const keys = {
      big: {...description(), name: 'n'.repeat(100_000), more: 'm'.repeat(100_000)},
      none: null, number: 7, removed: {}, other: {algorithm: 'org.example'}, wrong: {...description(), mac: 7}, long: {...description(), iv: 'A'.repeat(256)},
      ['x'.repeat(256)]: description(), '': description(),
      a: description(),
    };
    assert.deepEqual(await createCryptoCallbacks(walletd).getSecretStorageKey({keys}, name), ['a', key(7)]);
    const {name: left, ...big} = description();
    assert.deepEqual(walletd.requests[0].body.keys, {a: description(), big});
  });

  await t.test('asks nobody if there is none that can be read', async (t) => {
    const walletd = await serve(t, () => found('a'));
    const errors = [];
    const wallet = createCryptoCallbacks({...walletd, onError: (err) => errors.push(err.code)});
    assert.equal(await wallet.getSecretStorageKey({keys: {a: {}}}, name), null);
    assert.deepEqual([walletd.requests, errors], [[], ['no_match']]);
  });
});

test('getDefaultKeyId', async (t) => {
  const keys = {old: description('o'), current: description('c')};
  for (const [what, getDefaultKeyId, sent] of [
    ['a value', () => 'current', 'current'],
    ['a promise', async () => 'current', 'current'],
    ['nothing', () => null, undefined],
    ['a key that is not offered', () => 'another', undefined],
    ['what every object has', () => 'toString', undefined],
    ['an error', () => { throw new Error('no server'); }, undefined],
    ['a promise that fails', async () => { throw new Error('no server'); }, undefined],
  ]) {
    await t.test(`may give ${what}`, async (t) => {
      const walletd = await serve(t, () => found('current'));
      await createCryptoCallbacks({...walletd, getDefaultKeyId}).getSecretStorageKey({keys}, name);
      assert.equal(walletd.requests[0].body.defaultKeyId, sent);
    });
  }

  await t.test('is not asked where there is no choice', async (t) => {
    const wallet = createCryptoCallbacks({...(await serve(t, () => found('a'))), getDefaultKeyId: () => assert.fail()});
    await wallet.getSecretStorageKey({keys: {a: description()}}, name);
  });

  await t.test('goes before a key that is remembered', async (t) => {
    const walletd = await serve(t, ({body}) => ('current' in body.keys ? found('current', 2) : found('old', 1)));
    const wallet = createCryptoCallbacks({...walletd, getDefaultKeyId: () => 'current'});
    assert.deepEqual(await wallet.getSecretStorageKey({keys: {old: keys.old}}, name), ['old', key(1)]);
    for (let i = 0; i < 2; i++) assert.deepEqual(await wallet.getSecretStorageKey({keys}, name), ['current', key(2)]);
    assert.equal(walletd.requests.length, 2);
  });
});

test('forget', async (t) => {
  await t.test('has the next question asked', async (t) => {
    const walletd = await serve(t, () => found('a'));
    const wallet = createCryptoCallbacks(walletd);
    const ask = () => wallet.getSecretStorageKey({keys: {a: description()}}, name);
    const [, held] = await ask();
    wallet.forget();
    assert.deepEqual(held, key(7)); // the SDK may be at work with it
    await ask();
    assert.equal(walletd.requests.length, 2);
  });

  await t.test('holds for an answer that was under way', async (t) => {
    const walletd = await serve(t, () => (wallet.forget(), found('a')));
    const wallet = createCryptoCallbacks(walletd);
    const ask = () => wallet.getSecretStorageKey({keys: {a: description()}}, name);
    assert.deepEqual(await ask(), ['a', key(7)]);
    await ask();
    assert.equal(walletd.requests.length, 2);
  });

  await t.test('comes by itself when walletd is locked', async (t) => {
    let locked = false;
    const walletd = await serve(t, () => (locked ? refusal(423, 'locked') : found('a')));
    const wallet = createCryptoCallbacks(walletd);
    const ask = (id) => wallet.getSecretStorageKey({keys: {[id]: description()}}, name);
    await ask('a');
    locked = true;
    await ask('a'); // remembered
    await assert.rejects(ask('b'), {code: 'locked'});
    await assert.rejects(ask('a'), {code: 'locked'});
  });
});

test('createSecretStorageKey', async (t) => {
  const made = {body: {key: base64(key(9)), name: 'Notes', recoveryKey: 'EsTG gUBN'}};

  await t.test('gives what bootstrapSecretStorage wants', async (t) => {
    const walletd = await serve(t, () => made);
    const {createSecretStorageKey} = createCryptoCallbacks({...walletd, salt: 'notes', name: 'Notes'});
    assert.deepEqual(await createSecretStorageKey(), {privateKey: key(9), keyInfo: {name: 'Notes'}, encodedPrivateKey: 'EsTG gUBN'});
    assert.deepEqual(walletd.asked(), ['POST /v1/secret-storage/keys']);
    assert.deepEqual(walletd.requests[0].body, {salt: 'notes', name: 'Notes'});
  });

  for (const [what, options, salt] of [
    ['its own', {}, 'm.secret_storage:@alice:hs.example'],
    ['its own and the app\'s', {salt: 'v2'}, 'v2:@alice:hs.example'],
  ]) {
    await t.test(`has the user in a salt of ${what}`, async (t) => {
      const walletd = await serve(t, ({path}) => (path === '/v1/secret-storage/keys' ? made : found('a')));
      const user = '@alice:hs.example';
      const wallet = createCryptoCallbacks({...walletd, userId: user, ...options});
      await wallet.createSecretStorageKey();
      await wallet.getSecretStorageKey({keys: {a: description()}}, name);
      assert.deepEqual(walletd.requests.map(({body}) => [body.salt, body.user]), [[salt, user], [salt, user]]);
    });
  }

  await t.test('leaves what is not said to walletd', async (t) => {
    const walletd = await serve(t, () => made);
    await createCryptoCallbacks(walletd).createSecretStorageKey();
    assert.deepEqual(walletd.requests[0].body, {});
  });

  await t.test('throws when the person says no, so that nothing is set up', async (t) => {
    const wallet = createCryptoCallbacks(await serve(t, () => refusal(403, 'rejected')));
    await assert.rejects(wallet.createSecretStorageKey(), {code: 'rejected', status: 403});
  });
});

test('cacheSecretStorageKey', async (t) => {
  const answers = ({path}) => {
    if (path === '/v1/secret-storage/keys') return {body: {key: base64(key(9)), name: 'walletd', recoveryKey: 'EsTG'}};
    return path === '/v1/secret-storage/key' ? found('an id/ä') : {status: 204};
  };

  await t.test('tells walletd the id, and not the key', async (t) => {
    const walletd = await serve(t, answers);
    const wallet = createCryptoCallbacks(walletd);
    assert.equal(wallet.cacheSecretStorageKey('an id/ä', description(), key(9)), undefined);
    await wallet.getSecretStorageKey({keys: {'an id/ä': description()}}, name);
    assert.deepEqual(walletd.asked(), ['PUT /v1/secret-storage/keys/an%20id%2F%C3%A4', 'POST /v1/secret-storage/key']);
    assert.deepEqual(walletd.requests[0].body, {keyInfo: description()});
    assert.ok(!walletd.requests[0].text.includes(base64(key(9)).slice(0, 42)));
  });

  await t.test('is done before the question that follows at once', async (t) => {
    let noted = false;
    const walletd = await serve(t, async (request) => {
      if (request.method === 'PUT') {
        await new Promise((resolve) => setTimeout(resolve, 50));
        noted = true;
      } else assert.ok(noted);
      return answers(request);
    });
    const wallet = createCryptoCallbacks(walletd);
    wallet.cacheSecretStorageKey('an id/ä', description(), key(9));
    await wallet.getSecretStorageKey({keys: {'an id/ä': description()}}, name);
  });

  await t.test('remembers a key that was made here', async (t) => {
    const walletd = await serve(t, answers);
    const wallet = createCryptoCallbacks(walletd);
    const {privateKey} = await wallet.createSecretStorageKey();
    wallet.cacheSecretStorageKey('x', description(), privateKey);
    assert.deepEqual(await wallet.getSecretStorageKey({keys: {x: description()}}, name), ['x', key(9)]);
    assert.ok(!walletd.asked().includes('POST /v1/secret-storage/key'));
  });

  await t.test('does not take the key of another maker for walletd\'s', async (t) => {
    const walletd = await serve(t, ({method}) => refusal(method === 'PUT' ? 422 : 404, 'no_match'));
    const errors = [];
    const wallet = createCryptoCallbacks({...walletd, onError: (err) => errors.push(err.code)});
    wallet.cacheSecretStorageKey('x', description(), key(1));
    assert.equal(await wallet.getSecretStorageKey({keys: {x: description()}}, name), null);
    assert.deepEqual(errors, ['no_match', 'no_match']);
  });

  await t.test('fails neither now nor later, whatever goes wrong', async (t) => {
    const errors = [];
    const onError = (err) => {
      errors.push(err.code ?? err.name);
      throw new Error("the app's own");
    };
    const wallet = createCryptoCallbacks({...(await serve(t, () => undefined)), onError});
    wallet.cacheSecretStorageKey('x', description(), key(1));
    wallet.cacheSecretStorageKey('\ud800', description(), key(1)); // no URL can hold it
    wallet.cacheSecretStorageKey('x', null, key(1));
    await assert.rejects(wallet.getSecretStorageKey({keys: {x: description()}}, name), {code: 'unreachable'});
    assert.deepEqual(errors.sort(), ['URIError', 'unreachable', 'unreachable', 'unreachable']);
  });
});

test('createCryptoCallbacks', async (t) => {
  for (const [what, options] of [
    ['nothing', undefined],
    ['no address', {token: 't'}],
    ['what is no address', {url: 'wallet', token: 't'}],
    ['an address in clear', {url: 'http://wallet.example', token: 't'}],
    ['an address that only begins like this machine', {url: 'http://127.0.0.1.example', token: 't'}],
    ['an address with a password', {url: 'https://me:secret@wallet.example', token: 't'}],
    ['an address with a query', {url: 'https://wallet.example/?a=b', token: 't'}],
    ['no token', {url: 'https://wallet.example'}],
    ['a token with a line in it', {url: 'https://wallet.example', token: 'a\nb'}],
    ['a user that is none', {url: 'https://wallet.example', token: 't', userId: 'alice'}],
    ['a limit that is none', {url: 'https://wallet.example', token: 't', signal: 60_000}],
  ]) {
    await t.test(`refuses ${what}`, () => {
      assert.throws(() => createCryptoCallbacks(options), (err) => err instanceof WalletError && err.code === 'bad_option' && !err.message.includes('secret'));
    });
  }

  await t.test('keeps the path of the address', async (t) => {
    const walletd = await serve(t, () => found('a'));
    await createCryptoCallbacks({...walletd, url: `${walletd.url}/wallet/`}).getSecretStorageKey({keys: {a: description()}}, name);
    assert.deepEqual(walletd.asked(), ['POST /wallet/v1/secret-storage/key']);
  });

  await t.test('gives the SDK the two callbacks that it calls, and none of the old ones', () => {
    const wallet = createCryptoCallbacks({url: 'https://wallet.example', token: 't'});
    assert.deepEqual(Object.keys(wallet).sort(), ['cacheSecretStorageKey', 'createSecretStorageKey', 'forget', 'getSecretStorageKey']);
  });
});
