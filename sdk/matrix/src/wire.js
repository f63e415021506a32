// One request to walletd and its answer, whoever it is that asks.
import {WalletError} from './error.js';
import {whyNot} from './reach.js';
import {time} from './time.js';

// What a request takes at the longest before the connection is thought dead, in milliseconds. It
// must be more than walletd is asked to hold one.
const deadAfter = 60_000;
// So often at most is one request sent, where its credential can be mended.
const sendAtMost = 3;

// baseOf reads the address of walletd.
export function baseOf(text) {
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

// call sends a request and returns its answer, {status, body, date}; a refusal is thrown. Who asks is
// told by a credential: `headers(method, url, signal)` are those of one request; `heard(headers)`
// hears those of each answer; `mend(refusal, signal)` says whether the same is to be sent once more; and
// `why(err, signal, base)` what it means that nothing came.
export async function call(base, credential, method, path, signal, {body, ifMatch} = {}) {
  for (let sent = 1; ; sent++) {
    const headers = await credential.headers(method, base + path, signal);
    if (body !== undefined) headers['content-type'] = 'application/json';
    if (ifMatch !== undefined) headers['if-match'] = `"${ifMatch}"`;
    const dead = AbortSignal.timeout(deadAfter);
    let response, text;
    try {
      signal?.throwIfAborted();
      response = await fetch(base + path, {
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
      throw await credential.why(new WalletError('unreachable', 'walletd cannot be reached', {cause: err}), signal, base);
    }
    credential.heard(response.headers);
    const answer = {status: response.status, body: objectIn(text), date: response.headers.get('date')};
    if (!response.ok) {
      const refused = refusal(answer);
      if (sent < sendAtMost && (await credential.mend(refused, signal))) continue;
      throw refused;
    }
    if (text !== '' && answer.body === null) throw badAnswer(response.status);
    return answer;
  }
}

// bearer is the credential of a token that whoever has it may use.
export function bearer(token) {
  // What HTTP would not carry would only be found out in the middle of a flow.
  if (typeof token !== 'string' || !/^[\x21-\x7e]+$/.test(token)) throw new WalletError('bad_option', 'token must be an app token of walletd');
  return {
    headers: async () => ({authorization: `Bearer ${token}`}),
    heard() {},
    mend: async () => false,
    why: (err, signal, base) => whyNot(base, err),
  };
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

export function badAnswer(status) {
  return new WalletError('bad_answer', `what answered is not walletd, or not one that this package knows (status ${status})`, {status});
}

export const passes = (err) => err.code === 'unreachable' || [429, 502, 503, 504].includes(err.status);

// lifeOf tells how long something lives that was answered just now, in milliseconds: by walletd's
// clock, where its answer tells the time and the browser lets that through, else by this machine's.
// A clock that has it dead already is wrong, and the end is walletd's to tell.
export function lifeOf(expiresAt, date) {
  const now = Date.parse(date ?? '');
  const life = Date.parse(expiresAt) - (Number.isNaN(now) ? Date.now() : now);
  return life > 0 ? life : Infinity;
}

// checkSignal refuses what is no limit of time.
export function checkSignal(signal) {
  if (signal !== undefined && typeof signal !== 'function' && !(signal instanceof AbortSignal)) {
    throw new WalletError('bad_option', 'signal must be an AbortSignal, or a function that makes one');
  }
  return signal;
}

export function stopped(signal) {
  const {reason} = signal;
  return reason?.name === 'TimeoutError'
    ? new WalletError('timeout', 'walletd did not answer within the time that this app gives', {cause: reason})
    : new WalletError('aborted', 'this app gave up the question', {cause: reason});
}

// pause waits, and fails as soon as the signal says so.
export function pause(milliseconds, signal) {
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
