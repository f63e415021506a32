// Why a request did not get through, as far as can be found out: a browser tells a page no more than
// that it failed.
import {WalletError} from './error.js';

// How long it may take to find out, in milliseconds.
const lookFor = 5_000;

// The browser's permissions to reach this machine and the local network (Local Network Access). Older
// ones have the first alone.
const permissions = ['local-network-access', 'loopback-network', 'local-network'];

// whyNot gives the error of a request to walletd at `base` that did not get through: `err`, or one that says more.
export async function whyNot(base, err) {
  const page = globalThis.location?.origin;
  const {origin, hostname} = new URL(base);
  if (page === undefined || page === origin) return err;
  const {cause} = err;
  if (await isBlocked(hostname)) {
    return new WalletError('blocked', 'the browser does not let this page reach walletd on this machine or in the local network: allow it in the settings of the page', {cause});
  }
  // walletd answers what has nothing to read, and what a page may not read the browser keeps from it.
  if (await answers(base)) return new WalletError('origin_refused', `walletd has no token for pages of ${page}`, {cause});
  return err;
}

// isBlocked reports whether the browser keeps this page from an address like that. Where the person has
// not decided, the request was not let through, if the address is a local one.
async function isBlocked(hostname) {
  const states = await Promise.all(permissions.map((name) => globalThis.navigator?.permissions?.query({name}).then(({state}) => state, () => undefined)));
  if (states.includes('denied')) return true;
  return isLocal(hostname) && (states.includes('prompt') || (globalThis.isSecureContext === false && states.some(Boolean)));
}

async function answers(base) {
  try {
    await fetch(`${base}/healthz`, {mode: 'no-cors', credentials: 'omit', cache: 'no-store', referrerPolicy: 'no-referrer', signal: AbortSignal.timeout(lookFor)});
    return true;
  } catch {
    return false;
  }
}

// isLocal reports whether a name is of this machine or of a local network, as far as a name tells.
function isLocal(hostname) {
  return /^(localhost|127(\.\d+){3}|10(\.\d+){3}|192\.168(\.\d+){2}|172\.(1[6-9]|2\d|3[01])(\.\d+){2}|169\.254(\.\d+){2}|\[(::1|f[cd][^\]]*|fe[89ab][^\]]*)\])$/.test(hostname) || hostname.endsWith('.local');
}
