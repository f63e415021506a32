// A synchronous face for Element Web: its CryptoSetupExtensions (@matrix-org/react-sdk-module-api) are
// asked for a key and have to answer at once. So the key is fetched when the person has signed in, and
// answered from memory.
import {WalletError, reporter} from './error.js';
import {createCryptoCallbacks} from './index.js';

export {WalletError};

// The default key is asked for once, and remembered until forget(): Element asks whenever it likes.
export function createCryptoSetupExtensions({onError, ...options} = {}) {
  const report = reporter(onError);
  let wallet, found, made, ready;
  // What is wrong with the options is to be found out now, not after a login.
  createCryptoCallbacks({...options, cacheFor: 0});

  function forget() {
    wallet?.forget();
    found?.fill(0);
    made?.fill(0);
    wallet = found = made = ready = undefined;
  }

  // fetchKey gets the key of the account's storage, or, where there is none, the key to make one with.
  async function fetchKey({homeserverUrl, userId, accessToken}) {
    let why; // it gave nothing
    const of = createCryptoCallbacks({...options, userId, cacheFor: 0, onError: (err) => (why = err)});
    wallet = of;
    const read = (type) => accountData(homeserverUrl, userId, accessToken, type);
    const keyId = (await read('m.secret_storage.default_key'))?.key;
    const description = typeof keyId === 'string' ? await read(`m.secret_storage.key.${keyId}`) : undefined;
    if (description?.algorithm) {
      const answer = await of.getSecretStorageKey({keys: {[keyId]: description}}, 'm.cross_signing.master');
      if (!answer) return report(why);
      if (wallet === of) found = answer[1];
    } else {
      const {privateKey} = await of.createSecretStorageKey();
      if (wallet === of) made = privateKey;
    }
  }

  function signedIn(credentials) {
    if (ready || !credentials?.accessToken || credentials.guest) return;
    ready = fetchKey(credentials).catch(report);
  }

  return {
    SHOW_ENCRYPTION_SETUP_UI: true,
    examineLoginResponse: (response, credentials) => signedIn(credentials),
    persistCredentials: signedIn,
    getSecretStorageKey: () => (found ? Uint8Array.from(found) : null),
    createSecretStorageKey: () => (made ? Uint8Array.from(made) : null),
    catchAccessSecretStorageError: report,
    setupEncryptionNeeded: () => false,
    getDehydrationKeyCallback: () => null,
    ready: () => Promise.resolve(ready),
    forget,
  };
}

// accountData reads what the homeserver keeps under a type; undefined if there is none.
async function accountData(homeserver, userId, accessToken, type) {
  const path = `/_matrix/client/v3/user/${encodeURIComponent(userId)}/account_data/${encodeURIComponent(type)}`;
  const response = await fetch(homeserver.replace(/\/+$/, '') + path, {headers: {authorization: `Bearer ${accessToken}`}, cache: 'no-store', credentials: 'omit'});
  if (response.status === 404) return undefined;
  if (!response.ok) throw new WalletError('homeserver', `the homeserver does not tell the account's key (status ${response.status})`, {status: response.status});
  return response.json();
}
