// walletd's HTTP API as an app uses it: a question, and the wait for the person who answers it.
import {WalletError} from './error.js';
import {time} from './time.js';

// How long walletd is asked to hold a request while nobody has decided, in seconds.
const holdFor = 25;
// What a request takes at the longest before the connection is thought dead, in milliseconds. It
// must be more than holdFor.
const deadAfter = 60_000;
// A question that waits is not looked at more often, in milliseconds, whatever lies between.
const lookEvery = 1_000;
// So often in a row may looking at it fail for reasons that pass.
const lookAgain = 5;

export class Walletd {
  #base;
  #token;
  #signal;
  #onPending;

  constructor({url, token, signal, onPending} = {}) {
    this.#base = baseOf(url);
    // What HTTP would not carry would only be found out in the middle of a flow.
    if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw new WalletError('bad_option', 'token must be an app token of walletd');
    this.#token = token;
    if (signal !== undefined && typeof signal !== 'function' && !(signal instanceof AbortSignal)) {
      throw new WalletError('bad_option', 'signal must be an AbortSignal, or a function that makes one');
    }
    this.#signal = signal;
    this.#onPending = onPending;
  }

  // ask sends one request and returns its answer as an object (null if it has none). If the person
  // is asked first, it tells onPending and waits, for as long as the signal lets it and the question
  // lives.
  async ask(method, path, {body, ifMatch} = {}) {
    const signal = typeof this.#signal === 'function' ? this.#signal() : this.#signal;
    const first = await this.#call(method, path, signal, {body, ifMatch});
    return first.status === 202 ? this.#decided(first.body, first.date, signal) : first.body;
  }

  async #decided(pending, date, signal) {
    const {id, code, expiresAt} = pending ?? {};
    if (typeof id !== 'string') throw badAnswer(202);
    this.#onPending?.({id, code, expiresAt: new Date(expiresAt)});
    const end = time.now() + lifeOf(expiresAt, date);
    for (let failures = 0; ; ) {
      const began = time.now();
      // What was decided in the last moment is collected: there is a look after the end.
      const hold = Math.max(0, Math.min(holdFor, Math.ceil((end - began) / 1000)));
      try {
        const answer = await this.#call('GET', `/v1/claims/${encodeURIComponent(id)}?wait=${hold}`, signal);
        if (answer.status !== 202) return answer.body;
        failures = 0;
      } catch (err) {
        if (!passes(err) || ++failures > lookAgain) throw err;
      }
      if (began >= end) throw new WalletError('expired', 'nobody decided in the time that walletd gives');
      await pause(Math.min(began + lookEvery, Math.max(end, time.now())) - time.now(), signal);
    }
  }

  async #call(method, path, signal, {body, ifMatch} = {}) {
    const headers = {authorization: `Bearer ${this.#token}`};
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (ifMatch !== undefined) headers['if-match'] = `"${ifMatch}"`;
    const dead = AbortSignal.timeout(deadAfter);
    let response, text;
    try {
      signal?.throwIfAborted();
      response = await fetch(this.#base + path, {
        method,
        headers,
        body: body === undefined ? undefined : JSON.stringify(body),
        signal: signal ? AbortSignal.any([signal, dead]) : dead,
        // The token goes to walletd and nowhere else, and nothing of the answer is kept.
        redirect: 'error',
        credentials: 'omit',
        cache: 'no-store',
        referrerPolicy: 'no-referrer',
      });
      text = await response.text();
    } catch (err) {
      if (signal?.aborted) throw stopped(signal);
      throw new WalletError('unreachable', 'walletd cannot be reached', {cause: err});
    }
    const answer = {status: response.status, body: objectIn(text), date: response.headers.get('date')};
    if (!response.ok) throw refusal(answer);
    if (text !== '' && answer.body === null) throw badAnswer(response.status);
    return answer;
  }
}

function baseOf(text) {
  let url;
  try {
    url = new URL(text);
  } catch {
    throw new WalletError('bad_option', 'url must be the address of walletd');
  }
  const loopback = /^(localhost|127(\.\d+){3}|\[::1\])$/.test(url.hostname);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && loopback)) {
    throw new WalletError('bad_option', 'url must be https, because keys go over it; http is for this machine only');
  }
  if (url.username || url.password || url.search || url.hash) {
    throw new WalletError('bad_option', 'url must have no user, query or fragment');
  }
  return url.href.replace(/\/+$/, '');
}

function objectIn(text) {
  try {
    const value = JSON.parse(text);
    return typeof value === 'object' ? value : null;
  } catch {
    return null;
  }
}

function refusal({status, body}) {
  if (typeof body?.code !== 'string') return badAnswer(status);
  return new WalletError(body.code, `walletd: ${body.detail ?? body.code}`, {status});
}

function badAnswer(status) {
  return new WalletError('bad_answer', `what answered is not walletd, or not one that this package knows (status ${status})`, {status});
}

function stopped(signal) {
  const {reason} = signal;
  return reason?.name === 'TimeoutError'
    ? new WalletError('timeout', 'nobody decided within the time that this app gives', {cause: reason})
    : new WalletError('aborted', 'this app gave up the question', {cause: reason});
}

const passes = (err) => err.code === 'unreachable' || [429, 502, 503, 504].includes(err.status);

// lifeOf tells how long a question lives that was asked just now, in milliseconds: by walletd's
// clock, where its answer tells the time and the browser lets that through, else by this machine's.
// A clock that has it dead already is wrong, and the end is walletd's to tell.
function lifeOf(expiresAt, date) {
  const now = Date.parse(date ?? '');
  const life = Date.parse(expiresAt) - (Number.isNaN(now) ? Date.now() : now);
  return life > 0 ? life : Infinity;
}

// pause waits, and fails as soon as the signal says so.
function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const give = () => {
      prevent();
      reject(stopped(signal));
    };
    const prevent = time.after(milliseconds, () => {
      signal?.removeEventListener('abort', give);
      resolve();
    });
    if (signal?.aborted) give();
    else signal?.addEventListener('abort', give, {once: true});
  });
}
