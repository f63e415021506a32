// What walletd is asked about: descriptions of keys, as they are in the account data. The homeserver
// wrote them, or whoever can write there.

const algorithm = 'm.secret_storage.v1.aes-hmac-sha2';

// One question holds at most so many. A secret has a copy for each; one or two are common.
const offerAtMost = 16;
// What an id or a check may measure, and a name, in characters. A longer name is left out: the check
// says what the key is.
const longest = 255;
const longestName = 1500;

// offerOf makes the question of the descriptions that a key of walletd can fit, with no more of each
// than it takes to find that key. There is one question, however many descriptions there are: the
// default key comes first, then those with walletd's name. undefined if there is none.
export function offerOf(all, defaultKeyId) {
  const usable = Object.entries(all).filter(([id, info]) => isUsable(id, info));
  const rank = ([id, {name}]) => (id === defaultKeyId ? 0 : String(name).includes('walletd') ? 1 : 2);
  usable.sort((a, b) => rank(a) - rank(b));
  const keys = Object.fromEntries(usable.slice(0, offerAtMost).map(([id, info]) => [id, reduced(info)]));
  if (usable.length === 0) return undefined;
  return Object.hasOwn(keys, defaultKeyId ?? '') ? {keys, defaultKeyId} : {keys};
}

function isUsable(id, info) {
  if (id === '' || new TextEncoder().encode(id).length > longest || info?.algorithm !== algorithm) return false;
  return [info.iv, info.mac].every((text) => text === undefined || (typeof text === 'string' && text.length <= longest));
}

function reduced({name, iv, mac}) {
  return {algorithm, name: typeof name === 'string' && name.length <= longestName ? name : undefined, iv, mac};
}

// checkOf is what is another when the key of an id is another.
export const checkOf = (info) => JSON.stringify([info?.algorithm, info?.iv, info?.mac]);
