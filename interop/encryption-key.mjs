// An app asks walletd for the encryption key of an application account, by a
// delegation that the owner of the account signed, and opens with it what was
// closed with the key as the official packages compute it. See README.md.
import {signV2} from '@arcblock/jwt';
import {Hasher} from '@ocap/mcrypto';
import AES from '@ocap/mcrypto/lib/crypter/aes';
import {fromBase58, toBase58, toBuffer} from '@ocap/util';
import {applicationAccount} from './lib/accounts.mjs';
import {need, run} from './lib/run.mjs';
import {askWithToken} from './lib/walletd.mjs';

const secret = 'the settings of the application: {"password":"näive & <secret>"}';

// delegate signs what lets `to` have the account's encryption key (DID Connect reference g.ii).
function delegate(account, to, lifetime, changes) {
  return signV2(account.address, account.secretKey, {
    from: account.address,
    to,
    userPk: toBase58(account.publicKey),
    permissions: [{role: 'DIDConnectAgent', claims: ['encryptionKey']}],
    exp: Math.floor(Date.now() / 1000) + lifetime,
    ...changes,
  });
}

await run(async (input, say) => {
  const account = applicationAccount(need(input, 'words'), need(input, 'for'));
  const salt = input.salt ?? account.address;
  const claim = {type: 'encryptionKey', salt, meta: {purpose: 'restore'}};
  if (input.description !== undefined) claim.description = input.description;
  if (input.delegate !== false) {
    claim.delegation = await delegate(account, need(input, 'asker'), input.lifetime ?? 3600, input.delegation);
  }

  const answer = await askWithToken({
    url: need(input, 'url'), token: need(input, 'token'), requestedClaims: [claim], say,
  });
  const answered = answer.body.requestedClaims?.[0] ?? {};

  const expected = Hasher.SHA3.hash256(
    Buffer.concat([toBuffer(account.secretKey), toBuffer(salt)]), 1, 'buffer',
  );
  const closed = AES.encrypt(secret, expected, 'base58');
  const key = fromBase58(answered.key);
  const echoed = Object.entries(claim).every(([name, value]) => JSON.stringify(answered[name]) === JSON.stringify(value));
  let opened = false;
  try {
    opened = AES.decrypt(fromBase58(closed), key, 'buffer').toString('utf8') === secret;
  } catch {
    // A wrong key shows as bad padding.
  }
  return {
    ok: opened && echoed && key.length === 32,
    asked: answer.asked,
    account: account.address,
    userDid: answer.body.userDid,
    keyBytes: key.length,
    opened,
    echoed,
    reason: answer.body.reason,
  };
});
