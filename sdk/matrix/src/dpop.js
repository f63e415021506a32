// Proofs that a page has its key (RFC 9449). The key is WebCrypto's and cannot be exported: a script
// that gets into the page can use it there, and cannot take it away.
import {WalletError} from './error.js';

const algorithm = {name: 'ECDSA', namedCurve: 'P-256'};

// newKey makes a key pair whose secret half never leaves WebCrypto.
export async function newKey() {
  if (!globalThis.crypto?.subtle) {
    throw new WalletError('unsupported', 'this page has no WebCrypto: it must come over https, or from this machine');
  }
  return crypto.subtle.generateKey(algorithm, false, ['sign', 'verify']);
}

// Prover signs proofs with a key, and remembers the nonce that walletd gave for them.
export class Prover {
  #keys;
  #nonce;
  #jwk;

  constructor(keys) {
    this.#keys = keys;
  }

  // proof is of one request, and of the token that it comes with, if any.
  async proof(method, url, token) {
    const jwk = await this.#publicKey();
    const body = {jti: crypto.randomUUID(), htm: method, htu: url.replace(/[?#].*$/s, ''), iat: Math.floor(Date.now() / 1000)};
    if (this.#nonce !== undefined) body.nonce = this.#nonce;
    if (token !== undefined) body.ath = await hashOf(token);
    const text = `${segment({typ: 'dpop+jwt', alg: 'ES256', jwk})}.${segment(body)}`;
    const signature = await crypto.subtle.sign({name: 'ECDSA', hash: 'SHA-256'}, this.#keys.privateKey, new TextEncoder().encode(text));
    return `${text}.${base64url(new Uint8Array(signature))}`;
  }

  // heard takes the nonce of an answer.
  heard(headers) {
    this.#nonce = headers.get('dpop-nonce') ?? this.#nonce;
  }

  // thumbprint names the key (RFC 7638), as walletd shows it.
  async thumbprint() {
    const {crv, kty, x, y} = await this.#publicKey();
    return hashOf(JSON.stringify({crv, kty, x, y}));
  }

  async #publicKey() {
    if (!this.#jwk) {
      const {kty, crv, x, y} = await crypto.subtle.exportKey('jwk', this.#keys.publicKey);
      this.#jwk = {kty, crv, x, y};
    }
    return this.#jwk;
  }
}

const hashOf = async (text) => base64url(new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text))));

const segment = (value) => base64url(new TextEncoder().encode(JSON.stringify(value)));

const base64url = (bytes) => btoa(String.fromCharCode(...bytes)).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
