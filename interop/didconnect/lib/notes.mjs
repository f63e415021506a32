// A note that an application keeps closed: with the key that the wallet of the words has for it there, as the packages
// compute it. Only the key that this wallet gives opens it.
import {Hasher} from '@ocap/mcrypto';
import AES from '@ocap/mcrypto/lib/crypter/aes';
import {fromBase58, toBuffer} from '@ocap/util';
import {accountAt, seedOf} from './check.mjs';

const salt = 'notes';
const note = 'Thursday: näive & <b>';

export function notes({did, attach}, words) {
  const account = accountAt(did, seedOf(words));
  const own = Hasher.SHA3.hash256(Buffer.concat([toBuffer(account.secretKey), toBuffer(salt)]), 1, 'buffer');
  const closed = AES.encrypt(note, own, 'base58');
  attach({
    action: 'notes',
    claims: {encryptionKey: () => ({salt, description: 'Open your notes'})},
    onAuth: ({userDid}) => ({successMessage: `Welcome ${userDid}`}),
    seen: ({claims: [{type, key}]}) =>
      type === 'encryptionKey' ? {opened: AES.decrypt(fromBase58(closed), fromBase58(key), 'buffer').toString('utf8')} : undefined,
  });
}
