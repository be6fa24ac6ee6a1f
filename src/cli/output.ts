/** What a person at a terminal reads: results on standard output, complaints on standard error. */
const encoder = new TextEncoder();

export function say(line: string): void {
  Deno.stdout.writeSync(encoder.encode(`${line}\n`));
}

export function fail(line: string): void {
  Deno.stderr.writeSync(encoder.encode(`${line}\n`));
}
