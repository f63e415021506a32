// The Rust crypto of matrix-js-sdk reads the room keys that walletd exported, and writes a file of them
// itself.
import * as wasm from '@matrix-org/matrix-sdk-crypto-wasm';

import {need, run} from '../lib/run.mjs';

await run(async (input) => {
  await wasm.initAsync();
  const passphrase = need(input, 'passphrase');
  const keys = JSON.parse(wasm.OlmMachine.decryptExportedRoomKeys(need(input, 'file'), passphrase));
  const machine = await wasm.OlmMachine.initialize(new wasm.UserId('@reader:hs.example'), new wasm.DeviceId('READER'));
  const imported = await machine.importExportedRoomKeys(JSON.stringify(keys), () => {});
  return {
    ok: true, keys: keys.map(({room_id, session_id}) => ({room: room_id, session: session_id})), imported: Number(imported.importedCount),
    file: wasm.OlmMachine.encryptExportedRoomKeys(JSON.stringify(keys), passphrase, 1000),
  };
});
