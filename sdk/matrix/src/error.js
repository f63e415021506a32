// WalletError is every error of this package. `code` is stable: one of walletd's own, as its API
// documents them, or one of those that arise on this side of the wire (README, "Errors").
export class WalletError extends Error {
  constructor(code, message, {status, cause, asked = false} = {}) {
    super(message, cause === undefined ? undefined : {cause});
    this.name = 'WalletError';
    this.code = code;
    this.status = status;
    this.asked = asked; // whether the person was asked
  }
}

// reporter tells the app what a callback that must not fail could not do. It does not fail either.
export const reporter = (onError) => (err) => {
  try {
    onError?.(err);
  } catch {
    // The app's own; there is nobody left to tell.
  }
};
