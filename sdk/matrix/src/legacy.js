// The six callbacks that only the old crypto of matrix-js-sdk calls (initLegacyCrypto, last in
// 36.x). Having one can change what the SDK does: README.md says which to take, and why not all.
import {keyFrom, unpadded} from './base64.js';
import {WalletError, reporter} from './error.js';
import {Walletd} from './walletd.js';

export {WalletError};

const crossSigning = ['master', 'self_signing', 'user_signing'];
const nameOf = (type) => `m.cross_signing.${type}`;
const backup = 'm.megolm_backup.v1';
const shared = [...crossSigning.map(nameOf), backup, 'org.matrix.msc3814'];

export function createLegacyCryptoCallbacks({userId, salt, onError, ...connection} = {}) {
  if (typeof userId !== 'string' || userId === '') throw new WalletError('bad_option', "userId must be this client's own user");
  const walletd = new Walletd(connection);
  let saving = Promise.resolve();
  const report = reporter(onError);

  const read = async (name) => {
    const {value} = await walletd.ask('GET', pathOf(name));
    return {text: value, key: keyFrom(value)};
  };

  // readIf is read, and null for what is not there or not given.
  const readIf = async (name) => {
    try {
      return await read(name);
    } catch (err) {
      if (['not_found', 'rejected', 'denied'].includes(err.code)) return null;
      throw err;
    }
  };

  // keep writes a secret, in the place of the one there is.
  const keep = async (name, value) => {
    for (let tries = 3; ; tries--) {
      try {
        return await walletd.ask('PUT', pathOf(name), {body: {value}, ifMatch: await etagOf(name)});
      } catch (err) {
        // Another device may write the same at the same time.
        if (err.code !== 'precondition_failed' || tries === 1) throw err;
      }
    }
  };

  const etagOf = async (name) => {
    for (let cursor = ''; ; ) {
      const {items, next} = await walletd.ask('GET', `/v1/secrets?limit=200${cursor}`);
      const found = items.find((item) => item.name === name);
      if (found || !next) return found?.etag;
      cursor = `&cursor=${encodeURIComponent(next)}`;
    }
  };

  return {
    async getCrossSigningKey(type, pubKey) {
      if (!crossSigning.includes(type)) return null;
      const secret = await readIf(nameOf(type));
      if (!secret) return null;
      const is = await publicKeyOf(secret.key);
      return is === String(pubKey).replace(/=+$/, '') ? secret.key : null;
    },

    saveCrossSigningKeys(keys) {
      const texts = [];
      for (const type of crossSigning) if (keys?.[type]) texts.push([nameOf(type), unpadded(keys[type])]);
      // One after the other, since each may be asked about; and none is given up for another.
      const saved = saving.catch(() => {}).then(async () => {
        const failed = [];
        for (const [name, text] of texts) await keep(name, text).catch((err) => failed.push(err));
        if (failed.length > 0) throw failed[0];
      });
      saving = saved;
      saved.catch(report);
    },

    saved: () => saving,

    async getBackupKey() {
      return (await read(backup)).key;
    },

    async getDehydrationKey(deviceData, checkFunc) {
      const answer = await walletd.ask('POST', '/v1/secret-storage/keys', {body: {salt}});
      try {
        checkFunc(keyFrom(answer.key));
      } catch (err) {
        throw new WalletError('no_match', "the dehydrated device was not made with this wallet's key", {cause: err});
      }
      return keyFrom(answer.key); // unpickling overwrites what it is given, so the check had one of its own
    },

    async onSecretRequested(user, device, request, name, deviceTrust) {
      try {
        // The SDK asks for any device of the user: whether it is to be trusted is decided here.
        if (user !== userId || deviceTrust?.isVerified() !== true || !shared.includes(name)) return undefined;
        return (await readIf(name))?.text;
      } catch (err) {
        report(err);
        return undefined;
      }
    },

    async shouldUpgradeDeviceVerifications() {
      return [];
    },
  };
}

const pathOf = (name) => `/v1/secrets/${encodeURIComponent(name)}`;

// publicKeyOf gives the Ed25519 public key of a seed, in unpadded base64.
async function publicKeyOf(seed) {
  const header = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x70, 4, 0x22, 4, 0x20]; // PKCS #8 (RFC 8410)
  const der = Uint8Array.from([...header, ...seed]);
  let x;
  try {
    const key = await crypto.subtle.importKey('pkcs8', der, 'Ed25519', true, ['sign']);
    ({x} = await crypto.subtle.exportKey('jwk', key));
  } catch (err) {
    throw new WalletError('unsupported', 'this browser cannot check an Ed25519 key', {cause: err});
  } finally {
    der.fill(0);
  }
  return x.replaceAll('-', '+').replaceAll('_', '/');
}
