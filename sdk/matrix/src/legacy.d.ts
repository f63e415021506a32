import type {Bytes} from './index.js';
import type {ConnectionOptions} from './walletd.js';

export {WalletError} from './error.js';
export type {Bytes} from './index.js';
export type {ConnectionOptions, Pending} from './walletd.js';

export type LegacyOptions = ConnectionOptions & {
  /** This client's own user: nobody else's devices are told a secret. */
  userId: string;
  /** Of the key for dehydrated devices; without it the app's default one. */
  salt?: string;
};

/** The six that only the old crypto calls. Take those you want, by name: see README.md. */
export interface LegacyCallbacks {
  getCrossSigningKey(type: string, pubKey: string): Promise<Bytes | null>;
  saveCrossSigningKeys(keys: Record<string, Uint8Array>): void;
  /** Not a callback: resolves when what `saveCrossSigningKeys` began is kept, and rejects if it could not be. */
  saved(): Promise<void>;
  getBackupKey(): Promise<Bytes>;
  getDehydrationKey(deviceData: unknown, checkFunc: (key: Bytes) => void): Promise<Bytes>;
  onSecretRequested(
    userId: string,
    deviceId: string,
    requestId: string,
    secretName: string,
    deviceTrust: {isVerified(): boolean},
  ): Promise<string | undefined>;
  shouldUpgradeDeviceVerifications(opts: {users: Record<string, unknown>}): Promise<string[]>;
}

/** @throws {WalletError} `bad_option` */
export function createLegacyCryptoCallbacks(options: LegacyOptions): LegacyCallbacks;
