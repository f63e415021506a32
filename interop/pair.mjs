// A page's side of a pairing, with the proofs of another implementation of DPoP (RFC 9449). See README.md.
import {setTimeout as sleep} from 'node:timers/promises';
import {calculateThumbprint, generateKeyPair, generateProof} from 'dpop';
import {need, run} from './lib/run.mjs';

await run(async (input, say) => {
  const url = need(input, 'url');
  const origin = need(input, 'origin');
  const keys = await generateKeyPair('ES256');
  const others = await generateKeyPair('ES256');
  let nonce;

  // ask sends a request with a proof, and once more where a nonce is wanted.
  async function ask(method, path, {body, token, by = keys, scheme = 'DPoP'} = {}) {
    for (let tries = 0; ; tries++) {
      const headers = {origin, dpop: await generateProof(by, url + path.replace(/\?.*/, ''), method, nonce, token)};
      if (token) headers.authorization = `${scheme} ${token}`;
      if (body) headers['content-type'] = 'application/json';
      const response = await fetch(url + path, {method, headers, body: body && JSON.stringify(body), redirect: 'error'});
      nonce = response.headers.get('dpop-nonce') ?? nonce;
      const text = await response.text();
      const answer = {...(text && JSON.parse(text)), status: response.status};
      if (answer.code !== 'use_dpop_nonce' || tries === 1) return answer;
    }
  }

  const began = await ask('POST', '/v1/pairings', {body: {name: 'Peer'}});
  if (began.status !== 201) return {ok: false, ...began};
  say({pending: began.id, code: began.code, expiresAt: began.expiresAt});
  let paired;
  while ((paired = await ask('POST', `/v1/pairings/${began.id}/token`, {body: {}})).status === 202) await sleep(250);
  if (paired.status !== 200) return {ok: false, ...paired};
  const {token} = paired;
  const list = '/v1/secrets?limit=1';
  const statuses = {
    listed: (await ask('GET', list, {token})).status,
    stolen: (await ask('GET', list, {token, by: others})).status,
    bearer: (await ask('GET', list, {token, scheme: 'Bearer'})).status,
    renewed: (await ask('POST', `/v1/pairings/${began.id}/token`, {body: {}})).status,
    ended: (await ask('DELETE', '/v1/tokens/self', {token})).status,
  };
  return {ok: true, app: paired.app, thumbprint: began.thumbprint === (await calculateThumbprint(keys.publicKey)), statuses};
});
