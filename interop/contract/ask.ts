// The program asks for an encryptionKey with the types that openapi-typescript makes of the contract.
import {createHash} from 'node:crypto';
import fs from 'node:fs';
import bs58 from 'bs58';
import createClient from 'openapi-fetch';
import type {components, paths} from './walletd.js';

type Answered = components['schemas']['Answered'];

const say = (value: unknown) => fs.writeSync(1, `${JSON.stringify(value)}\n`);

let asked = false;

async function ask(input: {url: string; token: string; salt: string}): Promise<string> {
  const walletd = createClient<paths>({baseUrl: input.url, headers: {Authorization: `Bearer ${input.token}`}});
  const {data, error} = await walletd.POST('/v1/claims', {body: {requestedClaims: [{type: 'encryptionKey', salt: input.salt}]}});
  if (error) throw new Error(`asked: ${error.code}`);
  if ('requestedClaims' in data) return keyOf(data);
  if (!('status' in data)) throw new Error('what is answered is a signed request');
  asked = true;
  say({pending: data.id, code: data.code, expiresAt: data.expiresAt});
  const got = await walletd.GET('/v1/claims/{id}', {params: {path: {id: data.id}, query: {wait: 30}}});
  if (got.error) throw new Error(`collected: ${got.error.code}`);
  if (!('requestedClaims' in got.data)) throw new Error('what is collected is no claim');
  return keyOf(got.data);
}

function keyOf({requestedClaims: [answer]}: Answered): string {
  if (answer?.type !== 'encryptionKey') throw new Error('what is answered is no encryptionKey');
  return answer.key;
}

try {
  const text = await ask(JSON.parse(fs.readFileSync(0, 'utf8')));
  if (!text.startsWith('z')) throw new Error('the key is not in base58btc with its z');
  const key = bs58.decode(text.slice(1));
  say({ok: key.length === 32, asked, keys: [createHash('sha256').update(key).digest('hex')]});
} catch (err) {
  say({ok: false, asked, error: String(err)});
  process.exitCode = 1;
}
