// What the official packages make of an answer. Where the words of the wallet are known, its accounts
// and keys are computed from them here, by the packages alone.
import crypto from 'node:crypto';
import {isFromPublicKey, toTypeInfo} from '@arcblock/did';
import didExt from '@arcblock/did-ext';
import {Hasher, types} from '@ocap/mcrypto';
import {fromPublicKey} from '@ocap/wallet';
import {fromBase58, toBase58, toBuffer} from '@ocap/util';

const {ROLE_ACCOUNT} = types.RoleType;
const {ED25519, ETHEREUM} = types.KeyType;
const {SHA3, KECCAK} = types.HashType;
const {BASE58, BASE16} = types.EncodingType;

export function seedOf(words) {
  return `0x${crypto.pbkdf2Sync(words.normalize('NFKD'), 'mnemonic', 2048, 64, 'sha512').toString('hex')}`;
}

// accountAt is the account that the wallet of a seed has at an app; of the key type of an address.
export function accountAt(app, seed, address = '') {
  const ethereum = address.startsWith('0x');
  const [pk, hash, encoding] = ethereum ? [ETHEREUM, KECCAK, BASE16] : [ED25519, SHA3, BASE58];
  return didExt.fromAppDid(app, seed, {role: ROLE_ACCOUNT, pk, hash, address: encoding});
}

// verifies tells whether a signature claim was answered by the user.
export function verifies(claim, userDid, userPk) {
  return fromPublicKey(userPk, toTypeInfo(userDid)).verify(fromBase58(claim.origin), claim.sig, claim.method !== 'none');
}

export function checker(words) {
  const seed = words && seedOf(words);
  const tellers = {
    profile: ({items, fullName, email, phone}) => ({items, fullName, email, phone}),
    signature: async (claim, userDid, userPk) => ({typeUrl: claim.typeUrl, verified: await verifies(claim, userDid, userPk)}),
    encryptionKey: (claim, userDid, userPk, app) => {
      const key = fromBase58(claim.key);
      if (!seed) return {bytes: key.length};
      const {secretKey} = accountAt(app, seed, userDid);
      const own = Hasher.SHA3.hash256(Buffer.concat([toBuffer(secretKey), toBuffer(claim.salt)]), 1, 'base58');
      return {bytes: key.length, right: own === toBase58(key)};
    },
    keyPair: ({secret}) => ({bytes: fromBase58(secret).length}),
  };
  return {
    // own tells whether a user is the one that this wallet has at the app; without words, whether it fits its key.
    own: async (app, userDid, userPk) => isFromPublicKey(userDid, userPk) && (!seed || accountAt(app, seed, userDid).address === userDid),
    tell: async (app, claim, userDid, userPk) => ({
      type: claim.type,
      meta: Object.keys(claim.meta ?? {}).length > 0 ? claim.meta : undefined,
      mfaCode: claim.mfaCode?.length ? claim.mfaCode : undefined,
      ...(await tellers[claim.type]?.(claim, userDid, userPk, app)),
    }),
  };
}
