export {WalletError} from './error.js';

/** What the person needs to approve this page in their wallet. Show the code and the origin of the page. */
export interface Code {
  /** 8 letters and digits in two halves, as in `K7RT-2MPA`. */
  code: string;
  /** The same for a QR code: the wallet's page for it. It approves nothing by itself. */
  link: string;
  /** Of this page's key (RFC 7638): the wallet shows its first letters. */
  thumbprint: string;
  expiresAt: Date;
}

export interface PairOptions {
  /** Address of walletd: `https://…`, or `http://` on this machine. */
  url: string | URL;
  /** The time limit of the app. */
  signal?: AbortSignal | (() => AbortSignal | undefined);
  /** Where the key is kept; IndexedDB without it, or memory where there is none. */
  store?: PairingStore;
}

/** Keeps, for each address, an object that holds a CryptoKeyPair: it must be able to keep that as it is. */
export interface PairingStore {
  get(url: string): Promise<unknown>;
  put(url: string, pairing: unknown): Promise<void>;
  delete(url: string): Promise<void>;
}

/** A page that is paired with a wallet: pass it to `createCryptoCallbacks({pairing})` in place of a token. */
export interface Pairing {
  readonly url: string;
  /** Address of the wallet. */
  readonly wallet: string;
  /** DID of the app that the page is there. */
  readonly app: string;
  /** When the page has to be paired anew. */
  readonly pairedUntil: Date;
  /** Of this page's key (RFC 7638). */
  thumbprint(): Promise<string>;
  /** Ends the token and forgets the key: at logout. */
  end(options?: {signal?: AbortSignal}): Promise<void>;
}

/** Pairs this page, unless it is paired already. Throws `rejected`, `expired`, `timeout`, `aborted`, `unreachable`, `blocked`, `unsupported`. */
export function pair(options: PairOptions & {name?: string; onCode: (code: Code) => void}): Promise<Pairing>;

/** The pairing that this page has, or null. Nobody is asked. */
export function resume(options: PairOptions): Promise<Pairing | null>;
