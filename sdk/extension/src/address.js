// What may be opened: pure functions over text. Whatever a page sends is hostile.

const maxLink = 32 * 1024; // characters, as the service has it in bytes

const isLoopback = host => host === 'localhost' || host === '127.0.0.1';

// parse returns the URL of a text that is absolute, https (or http on this machine) and without a user; null if it is not.
const parse = text => {
  if (typeof text !== 'string' || text.length > maxLink) return null;
  let url;
  try {
    url = new URL(text.trim());
  } catch {
    return null;
  }
  const secure = url.protocol === 'https:' || (url.protocol === 'http:' && isLoopback(url.hostname));
  return secure && url.username === '' && url.password === '' ? url : null;
};

// walletAddress returns the address of a wallet as a person typed it, ending with a slash; null if it is none.
export const walletAddress = text => {
  const url = parse(/^[a-z]+:\/\//i.test(String(text).trim()) ? text : `https://${String(text).trim()}`);
  if (!url || url.search !== '' || url.hash !== '') return null;
  return url.origin + url.pathname.replace(/\/*$/, '/');
};

// sitePattern returns the match pattern of the site that an address is of; null if it is not one that can be allowed.
export const sitePattern = text => {
  const url = parse(/^[a-z]+:\/\//i.test(String(text).trim()) ? text : `https://${String(text).trim()}`);
  // Nothing but a name: browsers take * in one, or write it %2A, and in a pattern it would be every site.
  return url && /^[a-z0-9.-]+$/.test(url.hostname) ? `${url.origin}/*` : null;
};

// deepLink returns the link of a DID Connect session that a page gave, in which it is encoded once; null if it is none.
// It reads no more of it than the service does: which app it leads to, the service finds out and shows.
const deepLink = encoded => {
  if (typeof encoded !== 'string' || encoded.length > maxLink) return null;
  let text, url;
  try {
    text = decodeURIComponent(encoded);
    url = new URL(text);
  } catch {
    return null;
  }
  const one = name => url.searchParams.getAll(name).length === 1;
  return url.protocol === 'https:' && one('action') && one('url') && url.searchParams.get('action') === 'requestAuth' ? text : null;
};

// opened returns the address at which a wallet opens what a page asks for; null if that is nothing a wallet opens.
// The names of apps that the page gives are left out: the service asks the app itself.
export const opened = (wallet, message, language) => {
  if (message === null || typeof message !== 'object' || message.action !== 'login') return null;
  const link = deepLink(message.url);
  if (link === null) return null;
  const locale = /^[a-z]{2,3}(-[A-Za-z0-9]{2,8})?$/.test(message.locale) ? message.locale : language;
  return `${wallet}?action=login&locale=${encodeURIComponent(locale)}&url=${encodeURIComponent(link)}`;
};
