// What a page remembers of its pairings: for each walletd the key and the id. The key is stored as it
// is, an object of WebCrypto that no script can read.
import {WalletError} from './error.js';

const database = 'walletd';
const table = 'pairings';

// pairingStore is the browser's, or one in memory where there is none, as in Node.js.
export function pairingStore() {
  return globalThis.indexedDB ? inBrowser : inMemory;
}

const memory = new Map();

const inMemory = {
  get: async (url) => memory.get(url),
  put: async (url, pairing) => void memory.set(url, pairing),
  delete: async (url) => void memory.delete(url),
};

const inBrowser = {
  get: (url) => run('readonly', (store) => store.get(url)),
  put: (url, pairing) => run('readwrite', (store) => store.put(pairing, url)),
  delete: (url) => run('readwrite', (store) => store.delete(url)),
};

// run makes one request, and has what it wrote on disk when it returns.
async function run(mode, request) {
  try {
    const db = await promised(() => {
      const opening = indexedDB.open(database, 1);
      opening.onupgradeneeded = () => opening.result.createObjectStore(table);
      return opening;
    });
    try {
      const transaction = db.transaction(table, mode);
      const done = new Promise((resolve, reject) => {
        transaction.oncomplete = () => resolve();
        transaction.onabort = () => reject(transaction.error);
      });
      const [result] = await Promise.all([promised(() => request(transaction.objectStore(table))), done]);
      return result;
    } finally {
      db.close();
    }
  } catch (err) {
    throw new WalletError('unsupported', 'this browser keeps nothing for the page, so that it cannot stay paired', {cause: err});
  }
}

function promised(ask) {
  return new Promise((resolve, reject) => {
    const request = ask();
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}
