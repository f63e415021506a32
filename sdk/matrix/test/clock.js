// The time of a test. It stands still while anything is sent, for as long as that takes, and goes on
// to the next moment that is waited for when somebody does nothing but wait.
import {time} from '../src/time.js';

export const epoch = new Date('2026-01-01T00:00:00Z');

// clock sets the time for the length of a test.
export function clock(t) {
  let now = 0;
  const waits = new Set();

  // until goes on to a moment, past what is waited for before it.
  function until(moment) {
    for (;;) {
      const next = [...waits].filter(({at}) => at <= moment).sort((a, b) => a.at - b.at)[0];
      now = Math.max(now, next?.at ?? moment);
      if (!next) return;
      waits.delete(next);
      next.then();
    }
  }

  function wait(milliseconds, then) {
    const one = {at: now + Math.max(0, milliseconds), then};
    waits.add(one);
    return one;
  }

  t.mock.method(time, 'now', () => now);
  t.mock.method(time, 'after', (milliseconds, then) => {
    const one = wait(milliseconds, then);
    setImmediate(() => waits.has(one) && until(Math.min(...[...waits].map(({at}) => at))));
    return () => waits.delete(one);
  });
  return {
    // pass lets so many milliseconds pass.
    pass: (milliseconds) => until(now + milliseconds),
    // timeout is AbortSignal.timeout of this time.
    timeout(milliseconds) {
      const stop = new AbortController();
      wait(milliseconds, () => stop.abort(new DOMException('it takes too long', 'TimeoutError')));
      return stop.signal;
    },
    now: () => now,
  };
}
