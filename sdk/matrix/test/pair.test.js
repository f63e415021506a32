import assert from 'node:assert/strict';
import {webcrypto} from 'node:crypto';
import test from 'node:test';
import {createCryptoCallbacks} from 'walletd-matrix';
import {pair, resume} from 'walletd-matrix/pair';
import {clock, epoch} from './clock.js';
import {base64, description, key, refusal, serve} from './server.js';

// memory is a store of one page.
function memory() {
  const kept = new Map();
  return {kept, get: async (url) => kept.get(url), put: async (url, p) => void kept.set(url, p), delete: async (url) => void kept.delete(url)};
}

const date = epoch.toUTCString();
const after = (milliseconds) => new Date(epoch.getTime() + milliseconds).toISOString();
const waiting = (status) => ({status, headers: {date}, body: {id: 'p1', status: 'pending', code: 'K7RT2MPA', thumbprint: 't', expiresAt: after(300_000)}});
const granted = (token, life = 900_000) => ({
  headers: {date},
  body: {id: 'p1', token, tokenType: 'DPoP', expiresAt: after(life), pairedUntil: after(86_400_000), wallet: 'z1wallet', app: 'did:abt:z1app'},
});
const found = {body: {keyId: 'a', key: base64(key(7))}};
const ask = (wallet) => wallet.getSecretStorageKey({keys: {a: description()}}, 'm.megolm_backup.v1');

// wallet answers as walletd does: it wants a nonce, and says of a pairing what `looks` says, in turn.
const walletOf = (t, looks, answer = () => found) =>
  serve(t, (request) => {
    const {nonce} = bodyOf(request);
    if (nonce !== 'n') return {...refusal(401, 'use_dpop_nonce'), headers: {'dpop-nonce': 'n'}};
    if (request.path === '/v1/pairings') return waiting(201);
    if (request.path.startsWith('/v1/pairings/')) return looks.shift();
    return answer(request);
  });

const json = (segment) => JSON.parse(Buffer.from(segment, 'base64url'));
const bodyOf = ({headers}) => json(headers.dpop.split('.')[1]);

// verify checks a proof as RFC 9449 has it, with WebCrypto.
async function verify({method, headers}, url, token) {
  const [header, body, signature] = headers.dpop.split('.');
  const {typ, alg, jwk} = json(header);
  assert.deepEqual([typ, alg, jwk.d, jwk.kty, jwk.crv], ['dpop+jwt', 'ES256', undefined, 'EC', 'P-256']);
  const publicKey = await webcrypto.subtle.importKey('jwk', jwk, {name: 'ECDSA', namedCurve: 'P-256'}, false, ['verify']);
  const signed = new TextEncoder().encode(`${header}.${body}`);
  assert.ok(await webcrypto.subtle.verify({name: 'ECDSA', hash: 'SHA-256'}, publicKey, Buffer.from(signature, 'base64url'), signed));
  const {htm, htu, ath} = json(body);
  assert.deepEqual([htm, htu], [method, url]);
  const hash = token && Buffer.from(await webcrypto.subtle.digest('SHA-256', new TextEncoder().encode(token))).toString('base64url');
  assert.equal(ath, hash);
}

test('a page that is paired', async (t) => {
  await t.test('shows a code, waits for the owner, and proves its key each time', async (t) => {
    clock(t);
    const walletd = await walletOf(t, [waiting(202), granted('first')]);
    const store = memory();
    const codes = [];
    const pairing = await pair({url: walletd.url, name: 'Client', onCode: (c) => codes.push(c), store});
    assert.equal(codes.length, 1);
    assert.deepEqual([codes[0].code, codes[0].link, codes[0].expiresAt.toISOString()], ['K7RT-2MPA', `${walletd.url}/pair#K7RT2MPA`, after(300_000)]);
    assert.match(codes[0].thumbprint, /^[\w-]{43}$/);
    assert.deepEqual([pairing.wallet, pairing.app, pairing.url], ['z1wallet', 'did:abt:z1app', walletd.url]);

    assert.deepEqual(await ask(createCryptoCallbacks({pairing})), ['a', key(7)]);
    const last = walletd.requests.at(-1);
    assert.equal(last.headers.authorization, 'DPoP first');
    await verify(last, `${walletd.url}/v1/secret-storage/key`, 'first');
    const ids = walletd.requests.map((r) => bodyOf(r).jti);
    assert.equal(new Set(ids).size, ids.length);
    await verify(walletd.requests[0], `${walletd.url}/v1/pairings`);

    const {privateKey} = store.kept.get(walletd.url).keys;
    assert.equal(privateKey.extractable, false);
    await assert.rejects(webcrypto.subtle.exportKey('jwk', privateKey));
  });

  await t.test('asks for the next token before one ends, and once for all who wait', async (t) => {
    const {pass} = clock(t);
    const walletd = await walletOf(t, [granted('first'), granted('second')]);
    const pairing = await pair({url: walletd.url, onCode() {}, store: memory()});
    pass(880_000);
    await Promise.all([1, 2].map(() => ask(createCryptoCallbacks({pairing, cacheFor: 0}))));
    assert.deepEqual(walletd.requests.slice(-2).map((r) => r.headers.authorization), ['DPoP second', 'DPoP second']);
    assert.equal(walletd.asked().filter((a) => a.endsWith('/token')).length, 2);
  });

  await t.test('asks for the next token when the wallet has ended one', async (t) => {
    clock(t);
    const first = ({headers}) => (headers.authorization === 'DPoP first' ? refusal(401, 'unauthorized') : found);
    const walletd = await walletOf(t, [granted('first'), granted('second')], first);
    const pairing = await pair({url: walletd.url, onCode() {}, store: memory()});
    assert.deepEqual(await ask(createCryptoCallbacks({pairing})), ['a', key(7)]);
  });

  await t.test('goes on when it is loaded again, with the key that it had', async (t) => {
    clock(t);
    const walletd = await walletOf(t, [granted('first'), granted('second'), waiting(202), refusal(410, 'expired')]);
    const store = memory();
    const thumbprint = await (await pair({url: walletd.url, onCode() {}, store})).thumbprint();
    const again = await resume({url: walletd.url, store});
    assert.equal(await again.thumbprint(), thumbprint);
    assert.equal(await resume({url: walletd.url, store}), null); // nobody has approved it
    assert.equal(store.kept.size, 1);
    assert.equal(await resume({url: walletd.url, store}), null);
    assert.equal(store.kept.size, 0);
  });

  await t.test('says that the wallet has ended the pairing', async (t) => {
    clock(t);
    const walletd = await walletOf(t, [granted('first'), refusal(410, 'expired')], () => undefined); // which browsers show as nothing
    const store = memory();
    const pairing = await pair({url: walletd.url, onCode() {}, store});
    await assert.rejects(ask(createCryptoCallbacks({pairing})), {code: 'unpaired'});
    assert.equal(store.kept.size, 0);
  });

  for (const [what, look, code] of [
    ['the owner rejects it', refusal(403, 'rejected'), 'rejected'],
    ['nobody approves it', refusal(410, 'expired'), 'expired'],
    ['the wallet is locked', refusal(423, 'locked'), 'locked'],
    ['it is of another origin', refusal(403, 'origin_refused'), 'origin_refused'],
  ]) {
    await t.test(`throws when ${what}`, async (t) => {
      clock(t);
      const walletd = await walletOf(t, [waiting(202), look]);
      await assert.rejects(pair({url: walletd.url, onCode() {}, store: memory()}), {code});
    });
  }

  await t.test('stops when the app says so', async (t) => {
    const {timeout} = clock(t);
    const walletd = await walletOf(t, Array(100).fill(waiting(202)));
    await assert.rejects(pair({url: walletd.url, onCode() {}, store: memory(), signal: timeout(10_000)}), {code: 'timeout'});
  });

  await t.test('ends its token and forgets its key at logout', async (t) => {
    clock(t);
    const walletd = await walletOf(t, [granted('first')], () => ({status: 204}));
    const store = memory();
    await (await pair({url: walletd.url, onCode() {}, store})).end();
    assert.equal(walletd.asked().at(-1), 'DELETE /v1/tokens/self');
    assert.equal(store.kept.size, 0);
  });

  await t.test('forgets its key at logout also if the wallet is away', async (t) => {
    clock(t);
    const walletd = await walletOf(t, [granted('first')], () => undefined);
    const store = memory();
    await assert.rejects((await pair({url: walletd.url, onCode() {}, store})).end(), {code: 'unreachable'});
    assert.equal(store.kept.size, 0);
  });
});

test('options of a pairing', async () => {
  const url = 'https://wallet.example';
  await assert.rejects(pair({url}), {code: 'bad_option'});
  await assert.rejects(pair({url: 'http://wallet.example', onCode() {}}), {code: 'bad_option'});
  await assert.rejects(pair({url: `${url}/wallet`, onCode() {}}), {code: 'bad_option', message: /no path/});
  await assert.rejects(resume({url: `${url}/wallet/`}), {code: 'bad_option', message: /no path/});
  assert.throws(() => createCryptoCallbacks({url, pairing: {}}), {code: 'bad_option'});
  assert.throws(() => createCryptoCallbacks({url: 'https://other.example', pairing: {url, headers() {}}}), {code: 'bad_option'});
  assert.throws(() => createCryptoCallbacks({url, token: 'wd_app_x', pairing: {url, headers() {}}}), {code: 'bad_option'});
});
