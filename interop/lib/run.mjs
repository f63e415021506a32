// How every program here starts and ends: one JSON object in, JSON lines out.
import fs from 'node:fs';

// fail ends a program with an outcome of its own.
export class Outcome extends Error {
  constructor(outcome) {
    super('outcome');
    this.outcome = outcome;
  }
}

const say = (value) => fs.writeSync(1, `${JSON.stringify(value)}\n`);

// run reads the input (from the file named by the first argument, else from
// standard input: it holds secrets, which never go in arguments), runs the
// program, and prints what it returns. The exit status is 0 if that is `ok`.
export async function run(program) {
  let outcome;
  try {
    const input = JSON.parse(fs.readFileSync(process.argv[2] ?? 0, 'utf8'));
    outcome = await program(input, say);
  } catch (err) {
    outcome = err instanceof Outcome ? err.outcome : {ok: false, error: String(err?.message ?? err)};
  }
  say(outcome);
  process.exitCode = outcome.ok ? 0 : 1;
}

// need returns a member of the input, or ends the program saying that it is missing.
export function need(input, name) {
  if (input[name] === undefined) throw new Error(`the input has no ${name}`);
  return input[name];
}
