/** What a person at a terminal reads: results on standard output, complaints on standard error. */
const encoder = new TextEncoder();

/** Ends the process where nobody reads on: `tiro help | head -3` has all it wanted, which is no error. */
export function say(line: string): void {
  try {
    Deno.stdout.writeSync(encoder.encode(`${line}\n`));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    Deno.exit(0);
  }
}

export function fail(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}
