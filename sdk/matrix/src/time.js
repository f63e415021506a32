// The time that waiting is counted in, in milliseconds. It stands apart so that a test can make it
// pass.
export const time = {
  // now does not jump when somebody sets the clock.
  now: () => performance.now(),

  // after calls `then` once so much time has passed, and returns what prevents it.
  after(milliseconds, then) {
    const timer = setTimeout(then, milliseconds);
    return () => clearTimeout(timer);
  },
};
