// Keys of apps.
import {types} from '@ocap/mcrypto';
import {fromRandom, WalletType} from '@ocap/wallet';
import {sign} from '@arcblock/jwt';
import {toDid} from '@ocap/util';

const keys = {ed25519: types.KeyType.ED25519, secp256k1: types.KeyType.SECP256K1};

export const applicationType = (key) => WalletType({role: types.RoleType.ROLE_APPLICATION, pk: keys[key], hash: types.HashType.SHA3});

// newWallet is how an app is itself: did is whom the person knows, wallet signs.
export function newWallet(key) {
  const wallet = fromRandom(applicationType(key));
  return {did: wallet.address, wallet};
}

// certified is an app whose sessions another key runs, which may ask for these claims (Delegated Connect).
export async function certified(claims) {
  const app = fromRandom(applicationType('ed25519'));
  const agent = fromRandom(applicationType('ed25519'));
  const delegation = await sign(app.address, app.secretKey, {
    agentDid: toDid(agent.address),
    permissions: [{role: 'DIDConnectAgent', claims}],
    exp: Math.floor(Date.now() / 1000) + 3600,
  }, true, '1.1.0');
  return {did: app.address, wallet: agent, delegator: () => app, delegation: () => delegation};
}
