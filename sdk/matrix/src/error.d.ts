/** Every error of this package, but those that an app's own functions throw. */
export class WalletError extends Error {
  constructor(code: string, message: string, more?: {status?: number; cause?: unknown; asked?: boolean});
  /** Stable: one of walletd's codes, or `bad_option`, `unreachable`, `blocked`, `timeout`, `aborted`, `withdrawn`, `bad_answer`, `bad_secret`, `unsupported`. */
  readonly code: string;
  /** The HTTP status of walletd's answer, if it was one. */
  readonly status?: number;
  /** Whether the person was asked before this happened: they may still answer a question that ended with `timeout`. */
  readonly asked: boolean;
}
