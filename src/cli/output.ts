/** Output for people: results on standard output, errors on standard error. */
const encoder = new TextEncoder();

/** Ends the process when the reader has closed the pipe (`tiro help | head -3`), which is no error. */
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
