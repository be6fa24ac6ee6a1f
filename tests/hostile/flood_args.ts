/** The command line of `deno task flood`. */
import { GARBAGE, type Garbage } from "./garbage.ts";

export interface FloodOptions {
  kinds: Garbage[];
  seconds: number;
  megabits: number;
  workers: number;
  others: number;
  inTheSfusName: boolean;
  json?: string;
}

const KINDS = Object.keys(GARBAGE) as Garbage[];

export const HELP = `Usage: deno task flood [OPTION..]
Garbage at the UDP port of a participant who speaks, on a real HPB and a real Janus, with the service in a process of its
own: first nothing, to compare with, then each kind for so many seconds. Reports for each how many of the spoken words
arrived, how late the event loops of its processes were, and its memory. Ends with 1 when a word is missing. Needs the
packages of the real suite (scripts/test installs them), and a machine with nothing else to do.

  --kind TEXT            kinds with this in their name; may be given again (default all)
  --seconds N            of each kind (default 60)
  --mbit N               Mbit/s, the headers of IP and UDP counted (default 10)
  --workers N            media workers of the service; 0: the service's process receives (default 2)
  --others N             speakers beside the flooded one (default 1)
  --in-the-sfus-name     with Janus' address as the sender's: Linux, root or CAP_NET_RAW
  --json FILE            write the numbers to FILE too
  --help                 this page

Kinds:
${KINDS.map((kind) => `  ${kind}`).join("\n")}
`;

const NUMBERS = {
  "--seconds": { to: "seconds", min: 1, max: 3_600 },
  "--mbit": { to: "megabits", min: 0.01, max: 1_000 },
  "--workers": { to: "workers", min: 0, max: 16 },
  "--others": { to: "others", min: 0, max: 9 },
} as const;
/** Options with a value that is not a number. */
const TEXTS: readonly string[] = ["--json", "--kind"];

/** Throws RangeError for what makes no sense. */
export function floodOptionsOf(args: readonly string[]): FloodOptions {
  const options: FloodOptions = {
    kinds: [],
    seconds: 60,
    megabits: 10,
    workers: 2,
    others: 1,
    inTheSfusName: false,
  };
  for (let at = 0; at < args.length; at++) {
    const name = args[at];
    if (name === "--in-the-sfus-name") {
      options.inTheSfusName = true;
      continue;
    }
    if (!(name in NUMBERS) && !TEXTS.includes(name)) throw new RangeError(`unknown option ${name}`);
    const value = args[++at];
    if (value === undefined) throw new RangeError(`${name} takes a value`);
    if (name in NUMBERS) {
      const { to, min, max } = NUMBERS[name as keyof typeof NUMBERS];
      const number = Number(value);
      if (value === "" || !(number >= min && number <= max)) {
        throw new RangeError(`${name} takes a number from ${min} to ${max}`);
      }
      options[to] = number;
    } else if (name === "--kind") {
      const found = KINDS.filter((kind) => kind.toLowerCase().includes(value.toLowerCase()));
      if (found.length === 0) throw new RangeError(`--kind takes a part of one of: ${KINDS.join(", ")}`);
      options.kinds.push(...found.filter((kind) => !options.kinds.includes(kind)));
    } else if (name === "--json") options.json = value;
    else throw new RangeError(`unknown option ${name}`);
  }
  if (options.kinds.length === 0) options.kinds = KINDS;
  return options;
}
