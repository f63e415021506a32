import type {ConnectionOptions} from './walletd.js';

export {WalletError} from './error.js';
export type {ConnectionOptions, Pending} from './walletd.js';

/** `Uint8Array`, which TypeScript 5.7 and newer know as one of an `ArrayBuffer`. */
export type Bytes = InstanceType<Uint8ArrayConstructor>;

/** The content of `m.secret_storage.key.<id>`, as far as it is used here. */
export interface KeyDescription {
  algorithm: string;
  name?: string;
  iv?: string;
  mac?: string;
}

export type Options = ConnectionOptions & {
  /**
   * This client's own user, who goes into the salt: two accounts of one client have two keys, and nothing that the
   * homeserver moved from one into the other is opened. A storage from before goes on with its key.
   */
  userId?: string;
  /** Of the key that `createSecretStorageKey` makes; without it the app's default one. Another salt is another key. */
  salt?: string;
  /** What a new storage is called, for people; `walletd` without it. */
  name?: string;
  /**
   * Which key is the account's default one: `() => client.secretStorage.getDefaultKeyId()`. Asked when a secret has
   * copies under several keys, of which that one is the newest.
   */
  getDefaultKeyId?: () => string | null | undefined | Promise<string | null | undefined>;
  /** How long a key is remembered for the questions that follow, in milliseconds; 60,000 without it, 0 for not at all. */
  cacheFor?: number;
};

/** To be given to `createClient` as `cryptoCallbacks`, as it is. */
export interface Callbacks {
  getSecretStorageKey(opts: {keys: Record<string, KeyDescription>}, name: string): Promise<[string, Bytes] | null>;
  cacheSecretStorageKey(keyId: string, keyInfo: KeyDescription, key: Uint8Array): void;
  /** For `bootstrapSecretStorage`: not a callback of the client. */
  createSecretStorageKey(): Promise<{privateKey: Bytes; keyInfo: {name: string}; encodedPrivateKey: string}>;
  /** Wipes the keys that are remembered: at logout, or when the app is locked. */
  forget(): void;
}

/** @throws {WalletError} `bad_option` */
export function createCryptoCallbacks(options: Options): Callbacks;
