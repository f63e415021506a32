// matrix-js-sdk's own code opens a backup of a walletd wallet: it is a secret like any other.
import crypto from 'node:crypto';

import decrypt from 'matrix-js-sdk/lib/utils/decryptAESSecretStorageItem.js';

import {need, run} from '../lib/run.mjs';

await run(async (input) => {
  const {encrypted} = need(input, 'backup');
  const key = new Uint8Array(Buffer.from(need(input, 'key'), 'base64'));
  const [id] = Object.keys(encrypted);
  const text = await decrypt(encrypted[id], key, need(input, 'name'));
  const [digest, ...rest] = text.split('\n');
  const body = rest.join('\n');
  const {wallet, secrets, record} = JSON.parse(body);
  const ok = crypto.createHash('sha256').update(body).digest('hex') === digest && wallet === id;
  return {ok, wallet, digest, secrets: secrets.length, entries: record.entries.length};
});
