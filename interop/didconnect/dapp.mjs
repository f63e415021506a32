// A dApp as its documentation has it: express, @arcblock/did-connect-js and its file storage, all as
// they come from npm. It says on standard output, one JSON object a line, where it listens and then
// what its callbacks see. Its standard input is one JSON object; it ends when that closes. See README.md.
import {fileURLToPath} from 'node:url';
import express from 'express';
import {application} from './lib/application.mjs';
import {checker} from './lib/check.mjs';
import {demo} from './lib/demo.mjs';
import {notes} from './lib/notes.mjs';
import {blockletServer} from './lib/blocklet-server.mjs';
import {certified, newWallet} from './lib/wallets.mjs';

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const input = await new Promise((resolve) => {
  let text = '';
  process.stdin.setEncoding('utf8').on('data', (chunk) => {
    text += chunk;
    if (text.includes('\n')) resolve(JSON.parse(text));
  });
});
process.stdin.on('end', () => process.exit(0));

const server = express();
server.use(express.json());
server.get('/login', (req, res) => res.sendFile(fileURLToPath(new URL('login.html', import.meta.url))));
const listening = server.listen(0, '127.0.0.1', async () => {
  const here = `http://127.0.0.1:${listening.address().port}`;
  const baseUrl = input.baseUrl ?? here;
  const place = (prefix, names, wallet) => application({server, baseUrl, prefix, say, check: checker(input.words), wallet, ...names});

  const apps = {
    demo: place('/api/did', {name: 'Demo'}, newWallet('ed25519')),
    delegated: place('/delegated/api/did', {name: 'Delegated'}, await certified(['authPrincipal', 'profile', 'encryptionKey'])),
    narrow: place('/narrow/api/did', {name: 'Narrow'}, await certified(['authPrincipal', 'profile'])),
    ecdsa: place('/ecdsa/api/did', {name: 'Secp'}, newWallet('secp256k1')),
    server: place('/.well-known/server/api/did', {name: 'Blocklet Server'}, newWallet('ed25519')),
  };
  for (const name of ['demo', 'delegated', 'narrow', 'ecdsa']) demo(apps[name]);
  if (input.words) notes(apps.demo, input.words);
  blockletServer(apps.server, input.words);
  say({
    listening: here,
    apps: Object.fromEntries(Object.entries(apps).map(([name, app]) => [name, {did: app.did, prefix: app.prefix}])),
  });
});
