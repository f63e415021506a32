import assert from 'node:assert/strict';
import test from 'node:test';
import {createCryptoCallbacks} from 'walletd-matrix';
import {clock, epoch} from './clock.js';
import {base64, description, key, refusal, serve} from './server.js';

// living is a question that has so many milliseconds to live, by walletd's clock.
const living = (milliseconds) => ({
  status: 202,
  headers: {date: epoch.toUTCString()},
  body: {id: 'q 1', status: 'pending', code: 'K7MPQ2', expiresAt: new Date(epoch.getTime() + milliseconds).toISOString()},
});
const pending = living(300_000);
const answer = {body: {keyId: 'a', key: base64(key(7))}};
const ask = (wallet) => wallet.getSecretStorageKey({keys: {a: description()}}, 'm.megolm_backup.v1');

const look = (wait) => `GET /v1/claims/q%201?wait=${wait}`;

// asked answers one question with 202, and each look at it with what comes next of `looks`.
const asked = (t, ...looks) => serve(t, ({method}) => (method === 'POST' ? pending : looks.shift()));

test('a question that waits for the person', async (t) => {
  await t.test('is told to the app and collected when it is answered', async (t) => {
    const {now} = clock(t);
    const walletd = await asked(t, pending, answer);
    const told = [];
    assert.deepEqual(await ask(createCryptoCallbacks({...walletd, onPending: (p) => told.push(p)})), ['a', key(7)]);
    assert.deepEqual(walletd.asked(), ['POST /v1/secret-storage/key', look(25), look(25)]);
    assert.deepEqual(told.map(({withdraw, ...rest}) => rest), [{id: 'q 1', code: 'K7MPQ2', expiresAt: new Date('2026-01-01T00:05:00Z')}]);
    assert.equal(now(), 1000); // it is not looked at more often
  });

  await t.test('is null after a no, which says that it was the person\'s', async (t) => {
    const errors = [];
    const walletd = await asked(t, refusal(403, 'rejected'));
    assert.equal(await ask(createCryptoCallbacks({...walletd, onError: (err) => errors.push([err.code, err.asked])})), null);
    assert.deepEqual(errors, [['rejected', true]]);
  });

  await t.test('is withdrawn when the app says so, and then null', async (t) => {
    let gone, withdraw, withdrawn;
    const walletd = await serve(t, async ({method}) => {
      if (method === 'POST') return pending;
      if (method === 'DELETE') return gone(), {status: 204};
      return new Promise((resolve) => {
        gone = () => resolve(refusal(410, 'expired'));
        withdrawn = withdraw();
      });
    });
    const errors = [];
    const onPending = (question) => ({withdraw} = question);
    assert.equal(await ask(createCryptoCallbacks({...walletd, onPending, onError: (err) => errors.push([err.code, err.asked])})), null);
    await withdrawn;
    assert.deepEqual(errors, [['withdrawn', true]]);
    assert.ok(walletd.asked().includes('DELETE /v1/claims/q%201'));
  });

  await t.test('may not be reached in the time of the app: then nobody was asked', async (t) => {
    const walletd = await serve(t, () => new Promise(() => {}));
    await assert.rejects(ask(createCryptoCallbacks({...walletd, signal: () => AbortSignal.timeout(50)})), {code: 'timeout', asked: false, message: /nobody was asked/});
  });

  for (const [what, look, code] of [
    ['nobody answers it', refusal(410, 'expired'), 'expired'],
    ['the wallet is locked meanwhile', refusal(423, 'locked'), 'locked'],
    ['the answer is of something else', {body: '<html>'}, 'bad_answer'],
  ]) {
    await t.test(`throws when ${what}`, async (t) => {
      await assert.rejects(ask(createCryptoCallbacks(await asked(t, look))), {code});
    });
  }

  await t.test('outlives a walletd that is away for a moment', async (t) => {
    clock(t);
    const walletd = await asked(t, undefined, {status: 502, body: '<html>'}, answer);
    assert.deepEqual(await ask(createCryptoCallbacks(walletd)), ['a', key(7)]);
    assert.equal(walletd.requests.length, 4);
  });

  await t.test('is given up when walletd stays away', async (t) => {
    const {now} = clock(t);
    const walletd = await asked(t);
    await assert.rejects(ask(createCryptoCallbacks(walletd)), {code: 'unreachable'});
    assert.equal(walletd.requests.length, 1 + 6);
    assert.equal(now(), 5000);
  });

  await t.test('ends with the time of its own that the app gives it', async (t) => {
    const {pass, timeout} = clock(t);
    const walletd = await serve(t, ({method}) => {
      if (method === 'POST') return pending;
      pass(50);
      return new Promise(() => {});
    });
    const wallet = createCryptoCallbacks({...walletd, signal: () => timeout(50)});
    for (let i = 0; i < 2; i++) await assert.rejects(ask(wallet), {code: 'timeout', asked: true, message: /nobody decided/});
    assert.equal(walletd.asked().filter((line) => line.startsWith('POST')).length, 2);
  });

  await t.test('ends while it pauses between two looks', async (t) => {
    const {now, timeout} = clock(t);
    const walletd = await asked(t, pending, pending, pending);
    const wallet = createCryptoCallbacks({...walletd, signal: () => timeout(300)});
    await assert.rejects(ask(wallet), {code: 'timeout'});
    assert.equal(walletd.requests.length, 2);
    assert.equal(now(), 300);
  });

  await t.test('ends with its own time, though walletd would go on', async (t) => {
    const {now} = clock(t);
    const walletd = await serve(t, () => living(1500));
    await assert.rejects(ask(createCryptoCallbacks(walletd)), {code: 'expired'});
    assert.deepEqual(walletd.asked().slice(1), [look(2), look(1), look(0)]);
    assert.equal(now(), 1500);
  });

  await t.test('is collected where the answer came with its end', async (t) => {
    clock(t);
    const walletd = await serve(t, ({path}) => (path.endsWith('wait=0') ? answer : living(1500)));
    assert.deepEqual(await ask(createCryptoCallbacks(walletd)), ['a', key(7)]);
  });

  await t.test('is waited for by walletd\'s clock, not by this machine\'s', async (t) => {
    clock(t);
    for (const ahead of [-3_600_000, 3_600_000]) {
      const machine = t.mock.method(Date, 'now', () => epoch.getTime() + ahead);
      const walletd = await serve(t, ({method}) => (method === 'POST' ? living(20_000) : answer));
      assert.deepEqual(await ask(createCryptoCallbacks(walletd)), ['a', key(7)]);
      assert.equal(walletd.asked().at(-1), look(20));
      machine.mock.restore();
    }
  });

  await t.test('ends when the app gives up, and is not begun after that', async (t) => {
    const stop = new AbortController();
    const walletd = await serve(t, ({method}) => (method === 'POST' ? pending : (stop.abort(), pending)));
    const wallet = createCryptoCallbacks({...walletd, signal: stop.signal});
    await assert.rejects(ask(wallet), {code: 'aborted'});
    await assert.rejects(ask(wallet), {code: 'aborted'});
    assert.equal(walletd.requests.length, 2);
  });

  await t.test('must have an id', async (t) => {
    await assert.rejects(ask(createCryptoCallbacks(await serve(t, () => ({status: 202, body: {}})))), {code: 'bad_answer'});
    await assert.rejects(ask(createCryptoCallbacks(await serve(t, () => ({status: 202})))), {code: 'bad_answer'});
  });
});
