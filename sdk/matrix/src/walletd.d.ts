import type {Pairing} from './pair.js';

/** What the person is asked, so that they can compare the code with the one their wallet shows. */
export interface Pending {
  /** The approval's id in walletd. */
  id: string;
  /** 6 letters and digits, shown by the wallet too. */
  code: string;
  /** When the question ends if nobody answers it. */
  expiresAt: Date;
  /** Withdraws the question: the person is not asked any more, and what waits for the answer ends with `withdrawn`. */
  withdraw(): Promise<void>;
}

/** Who asks: whoever has a token, or a page that was paired. */
export type Credential =
  | {
      /** Address of walletd: `https://…`, or `http://` on this machine. A path in it is kept. */
      url: string | URL;
      /** An app token. In a browser, one whose origins list the page's. */
      token: string;
      pairing?: undefined;
    }
  | {url?: string | URL; token?: undefined; /** What `pair()` of `walletd-matrix/pair` gave. */ pairing: Pairing};

export type ConnectionOptions = Credential & WaitingOptions;

export interface WaitingOptions {
  /**
   * The time limit of the app. A function is called once for each question, for a limit of its own:
   * `() => AbortSignal.timeout(60_000)`. One signal stands for all questions: abort it at logout.
   * Without either, walletd's own limit holds (5 minutes, then `expired`).
   */
  signal?: AbortSignal | (() => AbortSignal | undefined);
  /** Called when the person is asked: show the code. If it throws, the question is given up. */
  onPending?: (pending: Pending) => void;
  /** Why a callback gave nothing (`no_match`, `rejected`, `denied`, `withdrawn`), threw, or could not do what it must not fail at. */
  onError?: (error: unknown) => void;
}
