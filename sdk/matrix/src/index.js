// Callbacks for matrix-js-sdk whose secret storage key is kept by a walletd wallet. README.md says
// what each does; what the SDK does with them is in section 10 of walletd's Matrix reference.
import {keyFrom} from './base64.js';
import {WalletError, reporter} from './error.js';
import {Memory} from './memory.js';
import {checkOf, offerOf} from './offer.js';
import {Walletd} from './walletd.js';

export {WalletError};

export function createCryptoCallbacks({userId, salt: given, name, cacheFor = 60_000, getDefaultKeyId, onError, ...connection} = {}) {
  const walletd = new Walletd(connection);
  const known = new Memory(cacheFor); // keys by the id that the SDK gave them
  const made = new Memory(cacheFor); // the last key made here, which has no id yet
  const asking = new Map(); // questions under way, by what they offer
  const noting = new Set();
  let flow = 0; // what was asked before forget() is not remembered after it
  const report = reporter(onError);
  const salt = saltOf(userId, given);

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
    const answer = await ask('POST', '/v1/secret-storage/keys', {salt, name, user: userId});
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
    const defaultKeyId = await defaultOf(keys);
    const remembered = recall(known, keys, defaultKeyId);
    if (remembered) return remembered;
    await Promise.all(noting);
    const offer = offerOf(keys, defaultKeyId);
    if (!offer) {
      report(new WalletError('no_match', 'none of these descriptions is of a key that walletd can have'));
      return null;
    }
    const asked = JSON.stringify(offer);
    let question = asking.get(asked);
    if (!question) {
      question = find(offer, secret).finally(() => asking.delete(asked));
      asking.set(asked, question);
    }
    const found = await question;
    return found && [found.keyId, Uint8Array.from(found.key)];
  }

  // defaultOf tells which of these is the account's default key, where there is a choice.
  async function defaultOf(keys) {
    if (!getDefaultKeyId || Object.keys(keys).length < 2) return undefined;
    try {
      const id = await getDefaultKeyId();
      return typeof id === 'string' && Object.hasOwn(keys, id) ? id : undefined;
    } catch (err) {
      report(err);
      return undefined;
    }
  }

  // find asks walletd which of these it has the key of; null if it has none, or gives none.
  async function find({keys, defaultKeyId}, secret) {
    const asked = flow;
    let answer;
    try {
      answer = await ask('POST', '/v1/secret-storage/key', {keys, name: secret, defaultKeyId, salt, user: userId});
    } catch (err) {
      report(err);
      if (['no_match', 'rejected', 'denied', 'withdrawn'].includes(err.code)) return null;
      throw err;
    }
    if (!Object.hasOwn(keys, answer.keyId)) throw new WalletError('bad_answer', 'walletd answered with a key that was not asked for');
    const key = keyFrom(answer.key);
    if (asked === flow) known.keep(answer.keyId, checkOf(keys[answer.keyId]), key);
    return {keyId: answer.keyId, key};
  }

  return {getSecretStorageKey, cacheSecretStorageKey, createSecretStorageKey, forget};
}

// saltOf puts the user into the salt, so that two accounts have two keys. It can never change.
function saltOf(userId, salt) {
  if (userId === undefined) return salt;
  if (typeof userId !== 'string' || !/^@.*:./s.test(userId)) throw new WalletError('bad_option', "userId must be this client's own user, as in @alice:example.org");
  return `${salt ?? 'm.secret_storage'}:${userId}`;
}

// recall finds a key that is remembered: the default one's, if it is among those that can be chosen
// from, for another one can open a copy that is out of date.
function recall(known, keys, defaultKeyId) {
  for (const [id, info] of Object.entries(keys)) {
    const key = (defaultKeyId === undefined || id === defaultKeyId) && known.find(id, checkOf(info));
    if (key) return [id, key];
  }
  return undefined;
}
