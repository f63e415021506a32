// What walletd-matrix gives is what matrix-js-sdk takes, as its types say.
import type {CreateSecretStorageOpts, CryptoCallbacks} from 'matrix-js-sdk/lib/crypto-api/index.js';
import type {ServerSideSecretStorage} from 'matrix-js-sdk/lib/secret-storage.js';
import {WalletError, createCryptoCallbacks} from 'walletd-matrix';
import {createLegacyCryptoCallbacks} from 'walletd-matrix/legacy';

const options = {
  url: 'https://wallet.example',
  token: 'token',
  signal: () => AbortSignal.timeout(60_000),
  onPending: ({code, expiresAt}: {code: string; expiresAt: Date}) => void [code, expiresAt.toISOString()],
};
const wallet = createCryptoCallbacks({
  ...options, userId: '@alice:hs.example', salt: 'notes', name: 'Notes', cacheFor: 0, getDefaultKeyId: () => client.getDefaultKeyId(),
});
declare const client: ServerSideSecretStorage;

export const callbacks: CryptoCallbacks = wallet;
export const setUp: CreateSecretStorageOpts = {createSecretStorageKey: wallet.createSecretStorageKey, setupNewKeyBackup: true};
wallet.forget();

const {getBackupKey, onSecretRequested} = createLegacyCryptoCallbacks({...options, userId: '@alice:hs.example'});
export const old: {getBackupKey(): Promise<Uint8Array>; onSecretRequested?: unknown} = {getBackupKey, onSecretRequested};

// @ts-expect-error a token is needed
createCryptoCallbacks({url: options.url});
// @ts-expect-error it is known whose devices may ask
createLegacyCryptoCallbacks(options);

export const codeOf = (err: unknown): string | undefined => (err instanceof WalletError ? err.code : undefined);
