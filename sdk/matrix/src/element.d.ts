import type {Bytes} from './index.js';
import type {ConnectionOptions} from './walletd.js';

export {WalletError} from './error.js';
export type {ConnectionOptions, Pending} from './walletd.js';

export type ElementOptions = ConnectionOptions & {
  /** Of the key of a new storage; without it the app's default one. The user goes into it. */
  salt?: string;
  /** What a new storage is called, for people. */
  name?: string;
};

export interface Credentials {
  homeserverUrl: string;
  userId: string;
  accessToken: string;
  guest?: boolean;
}

/** A `ProvideCryptoSetupExtensions` of `@matrix-org/react-sdk-module-api`. */
export interface CryptoSetupExtensions {
  SHOW_ENCRYPTION_SETUP_UI: boolean;
  examineLoginResponse(response: unknown, credentials: Credentials): void;
  persistCredentials(credentials: Credentials): void;
  /** The key of the account's storage, once it is fetched; else `null`, and Element asks the person for it. */
  getSecretStorageKey(): Bytes | null;
  /** The key for a new storage, once it is fetched, of an account that has none. */
  createSecretStorageKey(): Bytes | null;
  catchAccessSecretStorageError(error: Error): void;
  setupEncryptionNeeded(args: unknown): boolean;
  getDehydrationKeyCallback(): null;
  /** Resolves when what began with the sign-in has ended, whether or not there is a key now. It never rejects. */
  ready(): Promise<void>;
  /** Wipes what is in memory: at logout. */
  forget(): void;
}

/** @throws {WalletError} `bad_option` */
export function createCryptoSetupExtensions(options: ElementOptions): CryptoSetupExtensions;
