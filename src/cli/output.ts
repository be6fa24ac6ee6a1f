/** Output for people: results on standard output, errors on standard error. */
const encoder = new TextEncoder();

export function say(line: string): void {
  write(`${line}\n`);
}

/** Ends the process when the reader has closed the pipe (`tiro help | head -3`), which is no error. */
export function write(text: string): void {
  try {
    Deno.stdout.writeSync(encoder.encode(text));
  } catch (error) {
    if (!(error instanceof Deno.errors.BrokenPipe)) throw error;
    Deno.exit(0);
  }
}

export function fail(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}
