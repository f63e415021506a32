// An end-to-end test of a dApp as its developer writes it, with walletd for the wallet: node --test.
// WALLETD is the program; DAPP is where the dApp listens.
import assert from 'node:assert/strict';
import {execFile} from 'node:child_process';
import {test} from 'node:test';
import {promisify} from 'node:util';

const run = promisify(execFile);
const {WALLETD = 'walletd', DAPP} = process.env;

// page is what the dApp's page does: it begins a session, shows its link, and polls.
const page = async (path) => (await fetch(`${DAPP}/api/did${path}`, {headers: {'user-agent': 'Mozilla/5.0'}})).json();

test('a person logs in', async () => {
  const {token, url} = await page('/login/token');

  await run(WALLETD, ['connect', url, '--ephemeral', '--yes']);

  assert.equal((await page(`/login/status?_t_=${token}`)).status, 'succeed');
});

test('a person says no', async () => {
  const {token, url} = await page('/login/token');

  const wallet = run(WALLETD, ['connect', url, '--ephemeral']);
  wallet.child.stdin.end('n\n');
  await assert.rejects(wallet, {code: 1});

  assert.equal((await page(`/login/status?_t_=${token}`)).status, 'error');
});

test('a person picks the number that the page shows', async () => {
  const {token, url} = await page('/mfa/token');

  const wallet = run(WALLETD, ['connect', url, '--ephemeral', '--yes']);
  let shown;
  while (!shown) shown = (await page(`/mfa/status?_t_=${token}`)).mfaCode;
  wallet.child.stdin.end(`${shown}\n`);
  await wallet;

  assert.equal((await page(`/mfa/status?_t_=${token}`)).status, 'succeed');
});
