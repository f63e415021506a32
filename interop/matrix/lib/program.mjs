// How a program with a Matrix client starts and ends.
import {Outcome, run} from '../../lib/run.mjs';

// The SDK writes its log to the console; standard output is for what the program says.
for (const level of ['debug', 'info', 'log', 'warn']) console[level] = (...args) => console.error(...args);

// program runs one, as all here do. What it is refused, it says with the code; and it does not stay
// for the timers that the SDK leaves behind.
export async function program(f) {
  await run(async (input, say) => {
    try {
      return await f(input, say);
    } catch (err) {
      throw new Outcome({ok: false, code: err?.code, error: String(err?.stack ?? err)});
    }
  });
  process.exit();
}
