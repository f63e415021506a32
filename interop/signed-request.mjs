// An app asks walletd without a token, by a request that it signs for one
// wallet, and verifies the answer as a dApp's server does. See README.md.
import crypto from 'node:crypto';
import {decode, signV2, verify} from '@arcblock/jwt';
import {isFromPublicKey, toDid} from '@arcblock/did';
import AES from '@ocap/mcrypto/lib/crypter/aes';
import RSA from '@ocap/mcrypto/lib/crypter/rsa';
import {fromBase58, toBase58} from '@ocap/util';
import {fromRandom} from '@ocap/wallet';
import {application, applicationWallet} from './lib/accounts.mjs';
import {need, run} from './lib/run.mjs';
import {askSigned} from './lib/walletd.mjs';

const wallet = (secretKey) => (secretKey ? applicationWallet(secretKey) : fromRandom(application));
const now = () => Math.floor(Date.now() / 1000);

// certify lets an agent speak for the app (DID Connect reference g.i).
function certify(app, agent, claims, changes) {
  return signV2(app.address, app.secretKey, {
    agentDid: toDid(agent.address),
    permissions: [{role: 'DIDConnectAgent', claims}],
    exp: now() + 3600,
    ...changes,
  });
}

// open gives the userInfo token of an answer; a sealed one is opened first (reference section e).
function open(body, channel) {
  if (!channel) return body.userInfo;
  if (body.version !== '1.0.0' || !body.sharedKey) throw new Error('a sealed answer was asked for, and this is not one');
  const shared = RSA.decrypt(fromBase58(body.sharedKey), channel.privateKey, 'buffer').toString('utf8');
  if (!/^[0-9A-F]{32}$/.test(shared)) throw new Error('the shared key is not 32 upper-case hex characters');
  return AES.decrypt(fromBase58(body.userInfo), shared, 'buffer').toString('utf8');
}

await run(async (input, say) => {
  const app = wallet(input.appSecret);
  const agent = input.delegated ? wallet(input.agentSecret) : undefined;
  const signer = agent ?? app;
  const channel = input.sealed ? RSA.genKeyPair(1536) : undefined;
  const requestedClaims = need(input, 'requestedClaims');

  const makeBody = async (approval) => {
    const payload = {
      action: 'responseAuth',
      aud: need(input, 'wallet'),
      jti: crypto.randomUUID(),
      exp: String(now() + 240),
      challenge: crypto.randomBytes(16).toString('hex').toUpperCase(),
      requestedClaims,
      appInfo: {name: 'Interop', description: 'A peer made of the official packages'},
    };
    if (approval) payload.approval = approval;
    if (channel) payload._ek_ = toBase58(Buffer.from(channel.publicKey));
    if (agent) {
      const content = await certify(app, agent, input.certified ?? requestedClaims.map((c) => c.type), input.certificate);
      Object.assign(payload, {
        iss: toDid(app.address),
        agentDid: toDid(agent.address),
        verifiableClaims: [{type: 'certificate', content}],
      });
    }
    // A member that is null is left out by the signer: so a test drops one.
    const authInfo = await signV2(signer.address, signer.secretKey, {...payload, ...input.authInfo});
    const body = {appPk: toBase58(app.publicKey), authInfo};
    if (agent) body.agentPk = toBase58(agent.publicKey);
    return body;
  };

  if (input.print) return {ok: true, body: await makeBody(), app: toDid(app.address)};

  let body;
  const answer = await askSigned({
    url: need(input, 'url'),
    headers: input.token ? {authorization: `Bearer ${input.token}`} : undefined,
    say,
    makeBody: async (approval) => (body = input.body ?? await makeBody(approval)),
  });

  const {userPk} = answer.body;
  const userInfo = open(answer.body, channel);
  const verified = await verify(userInfo, userPk);
  const claims = decode(userInfo);
  const address = String(claims.iss).replace(/^did:abt:/, '');
  const derives = isFromPublicKey(address, userPk);
  const challenged = claims.challenge === decode(body.authInfo).challenge;
  const answered = claims.requestedClaims ?? [];
  return {
    ok: verified && derives && challenged && answered.length === requestedClaims.length,
    asked: answer.asked,
    app: toDid(app.address),
    userDid: address,
    verified,
    derives,
    challenged,
    sealed: Boolean(channel),
    lifetime: Number(claims.exp) - Number(claims.iat),
    types: answered.map((c) => c.type),
    // Keys do not go to standard output; their digests tell whether two are the same.
    keys: answered.map((c) => c.key && crypto.createHash('sha256').update(fromBase58(c.key)).digest('hex')),
  };
});
