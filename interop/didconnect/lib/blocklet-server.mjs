// What Blocklet Server does to launch an application and to restore it from a backup: launch has the
// wallet make the application's key pair; restore has the application's account prove itself, sign a
// delegation to the server, and give by it the key that opens the backup.
import crypto from 'node:crypto';
import CryptoJS from 'crypto-js';
import {sign, verify} from '@arcblock/jwt';
import {Hasher} from '@ocap/mcrypto';
import {fromSecretKey} from '@ocap/wallet';
import {fromBase58, toBase58, toBase64, toBuffer} from '@ocap/util';
import {accountAt, seedOf} from './check.mjs';
import {applicationType} from './wallets.mjs';

const setting = 'the application’s secret setting: näive & <b>';

// passphrase makes of an encryption key what the values of an application's backup are closed with.
const passphrase = (key, appDid) => crypto.pbkdf2Sync(key, appDid, 256, 32, 'sha512').toString('hex');

export function blockletServer({did, attach}, words) {
  const backups = new Map(); // by the application's address

  attach({
    action: 'launch',
    claims: {
      keyPair: () => ({mfa: true, moniker: 'my-application', declare: false, description: 'Create the application', targetType: {role: 'application', key: 'ed25519', hash: 'sha3'}}),
    },
    seen: ({claims: [{type, secret, userDid}]}) => {
      if (type !== 'keyPair') return undefined;
      const app = fromSecretKey(`0x${Buffer.from(fromBase58(secret)).toString('hex')}`, applicationType('ed25519'));
      const key = Hasher.SHA3.hash256(Buffer.concat([toBuffer(app.secretKey), toBuffer(app.address)]), 1, 'buffer');
      backups.set(app.address, CryptoJS.AES.encrypt(setting, passphrase(key, app.address)).toString());
      return {
        application: app.address,
        value: backups.get(app.address),
        follows: words ? accountAt(app.address, seedOf(words)).address === userDid : undefined,
      };
    },
  });

  attach({
    action: 'restore',
    claims: [
      {authPrincipal: ({extraParams: {appDid}}) => ({target: appDid, description: 'Continue as the application'})},
      {
        signature: async ({userDid, userPk}) => {
          const unsigned = await sign(userDid, undefined, {
            from: userDid,
            to: did,
            userPk: toBase58(userPk),
            permissions: [{role: 'DIDConnectAgent', claims: ['encryptionKey']}],
            exp: Math.floor(Date.now() / 1000) + 3600,
          }, false, '1.1.0');
          return {mfa: true, type: 'fg:x:delegation', data: unsigned, meta: {jwt: unsigned}, description: 'Let the server restore the application'};
        },
      },
      {
        encryptionKey: ({extraParams: {appDid}, context: {request}}) => ({
          salt: appDid,
          delegation: request.context.delegation,
          description: 'The key of the backup',
        }),
      },
    ],
    onAuth: ({req, claims: [{type, meta, sig}]}) => {
      if (type === 'signature') req.context.delegation = `${meta.jwt}.${toBase64(fromBase58(sig))}`;
    },
    seen: async ({req, userPk, extraParams: {appDid}, claims: [{type, key}]}) => {
      if (type === 'signature') return {delegates: await verify(req.context.delegation, userPk)};
      if (type !== 'encryptionKey') return undefined;
      const opened = CryptoJS.AES.decrypt(backups.get(appDid), passphrase(fromBase58(key), appDid)).toString(CryptoJS.enc.Utf8);
      return {opened, key};
    },
  });
}
