// A page that holds no secret: it shows a code, the owner of a wallet approves it, and the page gets a
// token that works only with a key of its own, which it cannot give away.
import {newKey, Prover} from './dpop.js';
import {WalletError} from './error.js';
import {pairingStore} from './pairings.js';
import {whyNot} from './reach.js';
import {time} from './time.js';
import {badAnswer, baseOf, call, checkSignal, lifeOf, passes, pause} from './wire.js';

export {WalletError};

// A pairing that waits is not looked at more often, in milliseconds.
const lookEvery = 2_000;
// So often in a row may looking at it fail for reasons that pass.
const lookAgain = 5;
// A token that ends so soon is renewed before it is used, in milliseconds.
const renewBefore = 30_000;
// What walletd says of a pairing that is no more.
const ended = ['not_found', 'expired', 'rejected'];

// pair pairs this page with the wallet at an address, unless it is paired already. It stores its key before it shows a
// code, so that a page that is loaded again goes on with the same.
export async function pair({url, name, onCode, signal, store = pairingStore()} = {}) {
  const base = rootOf(url);
  if (typeof onCode !== 'function') throw new WalletError('bad_option', 'onCode must show the code to the person');
  checkSignal(signal);
  const limit = typeof signal === 'function' ? signal() : signal;
  let pairing = await stored(base, store);
  let waiting = pairing && (await unlessEnded(() => pairing.renew(limit)));
  if (!waiting) {
    const keys = await newKey();
    const prover = new Prover(keys);
    const began = await call(base, unbound(prover), 'POST', '/v1/pairings', limit, {body: {name}});
    const {id} = began.body ?? {};
    if (typeof id !== 'string') throw badAnswer(began.status);
    await store.put(base, {id, keys});
    pairing = new Pairing(base, id, prover, store);
    waiting = began;
  }
  if (!pairing.isPaired) await decided(pairing, waiting, onCode, limit);
  return pairing;
}

// resume returns the pairing of this page with the wallet at an address, or null if there is none that lives. Nobody is
// asked.
export async function resume({url, signal, store = pairingStore()} = {}) {
  const base = rootOf(url);
  checkSignal(signal);
  const pairing = await stored(base, store);
  if (pairing) await unlessEnded(() => pairing.renew(typeof signal === 'function' ? signal() : signal));
  return pairing?.isPaired ? pairing : null;
}

// rootOf reads the address of walletd as each proof names it: a path that a proxy takes off would be in the proof, and not in
// what walletd was asked for.
function rootOf(url) {
  const base = baseOf(url);
  if (new URL(base).pathname !== '/') throw new WalletError('bad_option', 'url must have no path: walletd has a name of its own');
  return base;
}

async function stored(base, store) {
  const found = await store.get(base);
  return found && new Pairing(base, found.id, new Prover(found.keys), store);
}

async function unlessEnded(ask) {
  try {
    return await ask();
  } catch (err) {
    if (err.code === 'unpaired') return undefined;
    throw err;
  }
}

// decided shows the code, and waits for the owner.
async function decided(pairing, waiting, onCode, signal) {
  const {code, expiresAt} = waiting.body;
  if (typeof code !== 'string') throw badAnswer(waiting.status);
  const half = code.length / 2;
  onCode({
    code: `${code.slice(0, half)}-${code.slice(half)}`,
    link: `${pairing.url}/pair#${code}`,
    thumbprint: await pairing.thumbprint(),
    expiresAt: new Date(expiresAt),
  });
  const end = time.now() + lifeOf(expiresAt, waiting.date);
  for (let failures = 0; ; ) {
    const began = time.now();
    try {
      await pairing.renew(signal);
      if (pairing.isPaired) return;
      failures = 0;
    } catch (err) {
      if (err.code === 'unpaired') throw err.cause; // rejected, or expired
      if (!passes(err) || ++failures > lookAgain) throw err;
    }
    if (began >= end) throw new WalletError('expired', 'nobody approved the code in the time that walletd gives');
    await pause(Math.min(lookEvery, Math.max(0, end - time.now())), signal);
  }
}

// unbound proves a key, for a token that there is not yet.
const unbound = (prover) => ({
  headers: async (method, url) => ({dpop: await prover.proof(method, url)}),
  heard: (headers) => prover.heard(headers),
  mend: async ({code}) => code === 'use_dpop_nonce',
  why: (err, signal, base) => whyNot(base, err),
});

// Pairing is the credential of a page that was paired (wire.js), for `createCryptoCallbacks({pairing})`.
class Pairing {
  #id;
  #prover;
  #store;
  #token;
  #ends = 0; // of the token, in the time that is waited in
  #renewing;

  constructor(url, id, prover, store) {
    this.url = url;
    this.#id = id;
    this.#prover = prover;
    this.#store = store;
  }

  get isPaired() {
    return this.#token !== undefined;
  }

  thumbprint() {
    return this.#prover.thumbprint();
  }

  // renew gets the next token, or the pairing that still waits. What asks at the same time shares one request.
  renew(signal) {
    this.#renewing ??= this.#renew(signal).finally(() => (this.#renewing = undefined));
    return this.#renewing;
  }

  async #renew(signal) {
    let answer;
    try {
      answer = await call(this.url, unbound(this.#prover), 'POST', `/v1/pairings/${encodeURIComponent(this.#id)}/token`, signal, {body: {}});
    } catch (err) {
      if (!ended.includes(err.code)) throw err;
      await this.#forget();
      throw new WalletError('unpaired', 'the wallet has ended the pairing with this page: pair it again', {status: err.status, cause: err});
    }
    if (answer.status === 202) return answer;
    const {token, tokenType, expiresAt, pairedUntil, wallet, app} = answer.body ?? {};
    if (typeof token !== 'string' || tokenType !== 'DPoP') throw badAnswer(answer.status);
    this.#token = token;
    this.#ends = time.now() + lifeOf(expiresAt, answer.date);
    Object.assign(this, {wallet, app, pairedUntil: new Date(pairedUntil)});
    return answer;
  }

  async #forget() {
    this.#token = undefined;
    await this.#store.delete(this.url);
  }

  async headers(method, url, signal) {
    if (!this.isPaired || time.now() > this.#ends - renewBefore) await this.renew(signal);
    if (!this.isPaired) throw new WalletError('unpaired', 'this page is not paired with the wallet');
    return {authorization: `DPoP ${this.#token}`, dpop: await this.#prover.proof(method, url, this.#token)};
  }

  heard(headers) {
    this.#prover.heard(headers);
  }

  async mend({code}, signal) {
    if (code === 'unauthorized') await this.renew(signal);
    return code === 'unauthorized' || code === 'use_dpop_nonce';
  }

  // why looks whether the browser let nothing through because the wallet has ended the pairing.
  async why(err, signal) {
    try {
      await this.renew(signal);
    } catch (other) {
      return other.code === 'unpaired' || other.code === 'blocked' ? other : err;
    }
    return err;
  }

  // end ends the token and forgets the key, at logout. The key is forgotten also if walletd cannot be reached; then it throws.
  async end({signal} = {}) {
    try {
      if (this.isPaired) await call(this.url, this, 'DELETE', '/v1/tokens/self', signal);
    } catch (err) {
      if (err.code !== 'unpaired') throw err;
    } finally {
      await this.#forget();
    }
  }
}
