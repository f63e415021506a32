// Callbacks for matrix-js-sdk whose secret storage key is kept by a walletd wallet. README.md says
// what each does; what the SDK does with them is in section 10 of walletd's Matrix reference.
import {keyFrom} from './base64.js';
import {WalletError, reporter} from './error.js';
import {Memory} from './memory.js';
import {Walletd} from './walletd.js';

export {WalletError};

// One question holds at most so many descriptions.
const offerAtMost = 16;

export function createCryptoCallbacks({salt, name, cacheFor = 60_000, onError, ...connection} = {}) {
  const walletd = new Walletd(connection);
  const known = new Memory(cacheFor); // keys by the id that the SDK gave them
  const made = new Memory(cacheFor); // the last key made here, which has no id yet
  const asking = new Map(); // questions under way, by what they offer
  const noting = new Set();
  let flow = 0; // what was asked before forget() is not remembered after it
  const report = reporter(onError);

  function forget() {
    flow++;
    known.forget();
    made.forget();
  }

  async function ask(method, path, body) {
    try {
      return await walletd.ask(method, path, {body});
    } catch (err) {
      // Who may not ask any more shall not go on with what it was told before.
      if (err.code === 'locked' || err.code === 'unauthorized') forget();
      throw err;
    }
  }

  async function createSecretStorageKey() {
    const asked = flow;
    const answer = await ask('POST', '/v1/secret-storage/keys', {salt, name});
    const privateKey = keyFrom(answer.key);
    if (asked === flow) made.keep('', '', privateKey);
    return {privateKey, keyInfo: {name: answer.name}, encodedPrivateKey: answer.recoveryKey};
  }

  // The SDK does not wait for this, and would not survive an error: it starts, and says nothing.
  function cacheSecretStorageKey(keyId, keyInfo, key) {
    try {
      // A key of another maker is not remembered. walletd cannot open what is stored with it, and
      // the flow is to fail before something is, not on the next device.
      if (made.holds(key)) known.keep(keyId, checkOf(keyInfo), key);
      const note = ask('PUT', `/v1/secret-storage/keys/${encodeURIComponent(keyId)}`, {keyInfo})
        .catch(report)
        .finally(() => noting.delete(note));
      noting.add(note);
    } catch (err) {
      report(err);
    }
  }

  async function getSecretStorageKey({keys}, secret) {
    const remembered = recall(known, keys);
    if (remembered) return remembered;
    await Promise.all(noting);
    const offer = JSON.stringify(Object.entries(keys).sort(([a], [b]) => (a < b ? -1 : 1)));
    let question = asking.get(offer);
    if (!question) {
      question = find(keys, secret).finally(() => asking.delete(offer));
      asking.set(offer, question);
    }
    const found = await question;
    return found && [found.keyId, Uint8Array.from(found.key)];
  }

  // find asks walletd which of these it has the key of; null if it has none, or gives none.
  async function find(keys, secret) {
    const asked = flow;
    for (const some of chunks(keys)) {
      let answer;
      try {
        answer = await ask('POST', '/v1/secret-storage/key', {keys: some, name: secret});
      } catch (err) {
        if (err.code === 'no_match') continue;
        if (err.code === 'rejected' || err.code === 'denied') return null;
        throw err;
      }
      if (!Object.hasOwn(some, answer.keyId)) throw new WalletError('bad_answer', 'walletd answered with a key that was not asked for');
      const key = keyFrom(answer.key);
      if (asked === flow) known.keep(answer.keyId, checkOf(some[answer.keyId]), key);
      return {keyId: answer.keyId, key};
    }
    return null;
  }

  return {getSecretStorageKey, cacheSecretStorageKey, createSecretStorageKey, forget};
}

function recall(known, keys) {
  for (const [id, info] of Object.entries(keys)) {
    const key = known.find(id, checkOf(info));
    if (key) return [id, key];
  }
  return undefined;
}

// checkOf is what is another when the key of an id is another.
const checkOf = ({algorithm, iv, mac}) => JSON.stringify([algorithm, iv, mac]);

function* chunks(keys) {
  const all = Object.entries(keys);
  for (let i = 0; i < all.length; i += offerAtMost) yield Object.fromEntries(all.slice(i, i + offerAtMost));
}
