// walletd's HTTP API as an app uses it: a question, and the wait for the person who answers it.
import {WalletError} from './error.js';
import {time} from './time.js';
import {badAnswer, baseOf, bearer, call, checkSignal, lifeOf, passes, pause} from './wire.js';

// How long walletd is asked to hold a request while nobody has decided, in seconds.
const holdFor = 25;
// A question that waits is not looked at more often, in milliseconds, whatever lies between.
const lookEvery = 1_000;
// So often in a row may looking at it fail for reasons that pass.
const lookAgain = 5;

export class Walletd {
  #base;
  #credential;
  #signal;
  #onPending;

  // Who asks is a token, or a page that was paired (pair.js).
  constructor({url, token, pairing, signal, onPending} = {}) {
    if (pairing !== undefined && (token !== undefined || typeof pairing?.headers !== 'function')) {
      throw new WalletError('bad_option', 'pairing must be what pair() gave, and stands in place of a token');
    }
    this.#base = baseOf(url ?? pairing?.url);
    if (pairing && this.#base !== pairing.url) throw new WalletError('bad_option', 'url must be that of the wallet that the page is paired with');
    this.#credential = pairing ?? bearer(token);
    this.#signal = checkSignal(signal);
    this.#onPending = onPending;
  }

  // ask sends one request and returns its answer as an object (null if it has none). If the person
  // is asked first, it tells onPending and waits, for as long as the signal lets it and the question
  // lives.
  async ask(method, path, {body, ifMatch} = {}) {
    const signal = typeof this.#signal === 'function' ? this.#signal() : this.#signal;
    const first = await this.#call(method, path, signal, {body, ifMatch}).catch((err) => {
      if (err.code === 'timeout') err.message += '; nobody was asked';
      throw err;
    });
    if (first.status !== 202) return first.body;
    try {
      return await this.#decided(first.body, first.date, signal);
    } catch (err) {
      if (!(err instanceof WalletError)) throw err;
      err.asked = true;
      if (err.code === 'timeout') err.message = 'nobody decided within the time that this app gives';
      throw err;
    }
  }

  async #decided(pending, date, signal) {
    const {id, code, expiresAt} = pending ?? {};
    if (typeof id !== 'string') throw badAnswer(202);
    let withdrawn = false;
    const claim = `/v1/claims/${encodeURIComponent(id)}`;
    const withdraw = async () => {
      withdrawn = true;
      await this.#call('DELETE', claim);
    };
    this.#onPending?.({id, code, expiresAt: new Date(expiresAt), withdraw});
    const end = time.now() + lifeOf(expiresAt, date);
    for (let failures = 0; ; ) {
      const began = time.now();
      // What was decided in the last moment is collected: there is a look after the end.
      const hold = Math.max(0, Math.min(holdFor, Math.ceil((end - began) / 1000)));
      try {
        const answer = await this.#call('GET', `${claim}?wait=${hold}`, signal);
        if (answer.status !== 202) return answer.body;
        failures = 0;
      } catch (err) {
        if (withdrawn && err.status !== undefined) throw new WalletError('withdrawn', 'this app withdrew the question', {cause: err});
        if (!passes(err) || ++failures > lookAgain) throw err;
      }
      if (began >= end) throw new WalletError('expired', 'nobody decided in the time that walletd gives');
      await pause(Math.min(began + lookEvery, Math.max(end, time.now())) - time.now(), signal);
    }
  }

  #call(method, path, signal, more) {
    return call(this.#base, this.#credential, method, path, signal, more);
  }
}
