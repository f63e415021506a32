// 32 bytes as base64 and back: keys of secret storage, and the secrets that hold keys.
import {WalletError} from './error.js';

// keyFrom reads 32 bytes of standard base64, padded or not. Anything else is refused: what is not
// the shape of a key must not be used as one.
export function keyFrom(text) {
  if (typeof text !== 'string' || !/^[A-Za-z0-9+/]{43}=?$/.test(text)) {
    throw new WalletError('bad_secret', 'this is not 32 bytes in base64');
  }
  return Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
}

// unpadded writes bytes as Matrix writes keys.
export function unpadded(bytes) {
  return btoa(String.fromCharCode(...bytes)).replace(/=+$/, '');
}
