// Accounts of a wallet, from its words, as the official packages make them.
import crypto from 'node:crypto';
import {types} from '@ocap/mcrypto';
import didExt from '@arcblock/did-ext';
import {fromSecretKey} from '@ocap/wallet';

export const application = {
  role: types.RoleType.ROLE_APPLICATION,
  pk: types.KeyType.ED25519,
  hash: types.HashType.SHA3,
};

// applicationAccount is the account of role application that a wallet of these BIP-39 words has for an app.
export function applicationAccount(words, appAddress) {
  const text = words.trim().split(/\s+/).join(' ').normalize('NFKD');
  const seed = crypto.pbkdf2Sync(text, 'mnemonic', 2048, 64, 'sha512');
  return didExt.fromAppDid(appAddress, `0x${seed.toString('hex')}`, application);
}

// applicationWallet is a wallet of role application from a secret key (64 bytes, 0x hex).
export const applicationWallet = (secretKey) => fromSecretKey(secretKey, application);
