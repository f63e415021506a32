// Keys for the length of a flow: the SDK asks four times in a row and remembers nothing itself.
export class Memory {
  #lifetime;
  #kept = new Map();

  // A key is kept for so many milliseconds, then wiped.
  constructor(lifetime) {
    this.#lifetime = lifetime;
  }

  // keep takes a copy of a key, under an id and what else must be the same when it is looked up.
  keep(id, check, key) {
    this.#drop(id);
    if (!(this.#lifetime > 0)) return;
    const timer = setTimeout(() => this.#drop(id), this.#lifetime);
    timer.unref?.(); // Node does not live on for it
    this.#kept.set(id, {check, key: Uint8Array.from(key), timer});
  }

  // find returns a copy, or undefined. The SDK holds what it is given for as long as it works.
  find(id, check) {
    const entry = this.#kept.get(id);
    return entry?.check === check ? Uint8Array.from(entry.key) : undefined;
  }

  // holds reports whether a key is among those kept.
  holds(key) {
    return [...this.#kept.values()].some((entry) => entry.key.length === key.length && entry.key.every((byte, i) => byte === key[i]));
  }

  forget() {
    for (const id of [...this.#kept.keys()]) this.#drop(id);
  }

  #drop(id) {
    const entry = this.#kept.get(id);
    if (!entry) return;
    clearTimeout(entry.timer);
    entry.key.fill(0);
    this.#kept.delete(id);
  }
}
