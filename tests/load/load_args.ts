/** The command line of `deno task load`. */
import type { Impairments } from "./publisher_schedule.ts";
import { type SfuKind, SFUS } from "./sfu_room.ts";

export interface LoadOptions {
  speakers: number;
  rooms: number;
  seconds: number;
  warmUpS: number;
  talkPercent: number;
  listenersPerRoom: number;
  joinTogether: number;
  lossPercent: number;
  reorderPercent: number;
  jitterMs: number;
  waitS: number;
  /** Where the media come from. */
  sfu: SfuKind;
  /** werift as it is, in the place of the service. */
  werift: boolean;
  json?: string;
  environment: Record<string, string>;
  denoArgs: string[];
}

export const HELP = `Usage: deno task load [OPTION..]
N speakers in M rooms through the service in a process of its own: DTLS-SRTP over UDP from an SFU, WebSockets to a
stand-in for speech-to-text. Needs libsrtp2-1, or the package janus; the floor beside it is measured with libopus0 and
libsrtp2-1. Ends with 1 when packets are unaccounted for.

  --speakers N        (default 100)
  --rooms N           (default 4)
  --seconds N         length of the measured window (default 60)
  --talk PERCENT      how many talk at any time, in turns of four seconds, to the nearest ten percent (default 100)
  --listeners N       in each room (default 2)
  --join N            so many join in the same moment, then the next so many (default 100)
  --warm-up N         seconds before the window (default 8)
  --loss PERCENT      of the packets of each publisher (default 0)
  --reorder PERCENT   of them sent after the one that follows (default 0)
  --jitter MS         each held back by up to so much (default 0)
  --env NAME=VALUE    for the service; may be given again
  --deno-arg ARG      for the service's Deno; may be given again
  --sfu own|janus     where the media come from (default own): own is for the numbers, as it leaves the machine to the
                      service; janus, a real one, shows that both understand each other, at some 35 us a packet
  --wait SECONDS      how long to wait for the machine to be quiet, load below 0.5 (default 0)
  --werift            measure werift as it is instead, decoding and nothing else; --rooms, --listeners, --env do nothing
  --json FILE         write the numbers to FILE too
  --help              this page
`;

const NUMBERS = {
  "--speakers": { to: "speakers", min: 1, max: 2_000 },
  "--rooms": { to: "rooms", min: 1, max: 500 },
  "--seconds": { to: "seconds", min: 1, max: 600 },
  "--warm-up": { to: "warmUpS", min: 0, max: 600 },
  "--talk": { to: "talkPercent", min: 0, max: 100 },
  "--listeners": { to: "listenersPerRoom", min: 1, max: 100 },
  "--join": { to: "joinTogether", min: 1, max: 2_000 },
  "--loss": { to: "lossPercent", min: 0, max: 100 },
  "--reorder": { to: "reorderPercent", min: 0, max: 100 },
  "--jitter": { to: "jitterMs", min: 0, max: 1_000 },
  "--wait": { to: "waitS", min: 0, max: 3_600 },
} as const;
/** Options with a value that is not a number. */
const TEXTS: readonly string[] = ["--json", "--sfu", "--deno-arg", "--env"];

/** Throws RangeError for what makes no sense. */
export function optionsOf(args: readonly string[]): LoadOptions {
  const options: LoadOptions = {
    speakers: 100,
    rooms: 4,
    seconds: 60,
    warmUpS: 8,
    talkPercent: 100,
    listenersPerRoom: 2,
    joinTogether: 100,
    lossPercent: 0,
    reorderPercent: 0,
    jitterMs: 0,
    waitS: 0,
    sfu: "own",
    werift: false,
    environment: {},
    denoArgs: [],
  };
  for (let at = 0; at < args.length; at++) {
    const name = args[at];
    if (name === "--werift") {
      options.werift = true;
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
    } else if (name === "--sfu") {
      const sfu = SFUS.find((each) => each === value);
      if (sfu === undefined) throw new RangeError(`--sfu takes one of ${SFUS.join(", ")}`);
      options.sfu = sfu;
    } else if (name === "--json") options.json = value;
    else if (name === "--deno-arg") options.denoArgs.push(value);
    else if (name === "--env") {
      const [, key, rest] = value.match(/^(\w+)=(.*)$/s) ?? [];
      if (key === undefined) throw new RangeError("--env takes NAME=VALUE");
      options.environment[key] = rest;
    } else throw new RangeError(`unknown option ${name}`);
  }
  return options;
}

export function impairmentsOf({ lossPercent, reorderPercent, jitterMs }: LoadOptions): Impairments {
  return { loss: lossPercent / 100, reorder: reorderPercent / 100, jitterMs };
}
