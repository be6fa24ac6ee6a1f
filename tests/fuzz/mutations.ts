/**
 * Inputs made of real ones: samples with a few changes each, which come past the first check more often than noise does.
 * A change is three numbers, so that fast-check leaves changes out, and makes them smaller, when it shrinks an input.
 */
import fc from "fast-check";

type Change = readonly [kind: number, at: number, value: number];

const CHANGES_MAX = 6;
const AT_MAX = 0xffff;
const EDGES = [0, 1, 2, 0x7f, 0x80, 0xfe, 0xff];
/** Longest that repeating makes an input. */
const BYTES_MAX = 4_096;
const CHARS_MAX = 80_000;
/** Values that repeating makes a list of. */
const NODES_MAX = 1_000;
/** Longest JSON text: some times what a call of 500 takes. */
const JSON_CHARS_MAX = 300_000;

/** Is in samples and words in places of a peer's own choice; an error or a log line that has it quotes them. */
export const CANARY = "kanary7";

/** Throws if a text of ours quotes a peer. */
export function assertQuotesNothing(text: string, what: string): void {
  if (text.includes(CANARY)) throw new Error(`${what} quotes what a peer sent`);
}

const changes = (max = CHANGES_MAX): fc.Arbitrary<Change[]> =>
  fc.array(fc.tuple(fc.nat(31), fc.nat(AT_MAX), fc.nat(AT_MAX)), { maxLength: max });

/** One of the samples, changed; now and then noise. */
export function mutatedBytes(samples: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  const changed = fc.tuple(fc.constantFrom(...samples), changes()).map(([sample, list]) =>
    changedBytes(sample, list)
  );
  return fc.oneof(
    { weight: 9, arbitrary: changed },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  );
}

/** A change of bytes alone, for a sample that is made when the input is taken. */
export const byteChanges: fc.Arbitrary<Change[]> = changes();

export function changedBytes(sample: Uint8Array, list: readonly Change[]): Uint8Array {
  let bytes = sample;
  for (const [kind, place, value] of list) {
    const at = bytes.length === 0 ? 0 : place % bytes.length;
    const head = bytes.subarray(0, at);
    const tail = bytes.subarray(at);
    switch (kind % 8) {
      case 0:
        bytes = joined([head, Uint8Array.of((tail[0] ?? 0) ^ 1 << value % 8), tail.subarray(1)]);
        break;
      case 1:
        bytes = joined([head, Uint8Array.of(EDGES[value % EDGES.length]), tail.subarray(1)]);
        break;
      case 2:
        bytes = joined([head, Uint8Array.of(value & 0xff), tail.subarray(1)]);
        break;
      case 3:
        bytes = joined([head, Uint8Array.of(value >> 8, value & 0xff), tail.subarray(2)]);
        break;
      case 4:
        bytes = head;
        break;
      case 5:
        bytes = joined([head, tail.subarray(1 + value % 16)]);
        break;
      case 6:
        bytes = joined([head, new Uint8Array(value % 64).fill(place & 0xff), tail]);
        break;
      case 7:
        bytes = joined([head, tail, ...Array(1 + value % 3).fill(tail)]).subarray(0, BYTES_MAX);
        break;
    }
  }
  return bytes.slice();
}

/** One of the samples with words put in, left out, repeated; now and then noise. */
export function mutatedText(samples: readonly string[], words: readonly string[]): fc.Arbitrary<string> {
  const changed = fc.tuple(fc.constantFrom(...samples), changes()).map(([sample, list]) =>
    changedText(sample, list, words)
  );
  return fc.oneof(
    { weight: 9, arbitrary: changed },
    { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 100 }) },
  );
}

export function changedText(sample: string, list: readonly Change[], words: readonly string[]): string {
  let text = sample;
  for (const [kind, place, value] of list) {
    const at = text.length === 0 ? 0 : place % text.length;
    const head = text.slice(0, at);
    const tail = text.slice(at);
    const word = words[value % words.length];
    switch (kind % 10) {
      case 0:
        text = head + word + tail;
        break;
      case 1: // in the place of a word
        text = head + tail.replace(/[A-Za-z0-9._-]+/, () => word);
        break;
      case 2:
        text = head + String.fromCharCode(value & 0x7f) + tail.slice(1);
        break;
      case 3:
        text = head + String.fromCharCode(value) + tail;
        break;
      case 4:
        text = head + tail.slice(1 + value % 32);
        break;
      case 5:
        text = head;
        break;
      case 6: { // a number of an edge
        const numbers = ["0", "-1", "65535", "65536", "4294967296", "1e400", "99999999999999999999", "NaN"];
        text = head + tail.replace(/\d+/, () => numbers[value % numbers.length]);
        break;
      }
      case 7: // a line less
        text = head + tail.slice(tail.indexOf("\n") + 1);
        break;
      case 8: { // a line many times
        const line = /[^\n]*\n?/.exec(tail)?.[0] ?? "";
        text = head + line.repeat(value % 40) + tail;
        break;
      }
      case 9:
        text = head + tail.slice(0, 200).repeat(1 + value % 50) + tail;
        break;
    }
    text = text.slice(0, CHARS_MAX);
  }
  return text;
}

/** Replacements for other values. */
const STRANGE: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e308,
  2 ** 53,
  "",
  CANARY,
  "\u0000",
  "\ud800",
  "__proto__",
  "x".repeat(1_100),
  [],
  [[]],
  {},
  [null],
  { type: "session" },
  { __proto: 1, constructor: 2, toString: 3, length: -1 },
];

/** JSON text of one of the samples with members left out, put in, of other types, many times; now and then other text. */
export function mutatedJson(samples: readonly unknown[], words: readonly string[]): fc.Arbitrary<string> {
  const texts = samples.map((sample) => JSON.stringify(sample));
  const changed = fc.tuple(fc.nat(samples.length - 1), changes(4)).map(([index, list]) =>
    JSON.stringify(changedJson(samples[index], list, samples, words)).slice(0, JSON_CHARS_MAX)
  );
  return fc.oneof(
    { weight: 17, arbitrary: changed },
    { weight: 2, arbitrary: mutatedText(texts, words) },
    { weight: 1, arbitrary: fc.json() },
  );
}

export function changedJson(
  sample: unknown,
  list: readonly Change[],
  samples: readonly unknown[],
  words: readonly string[],
): unknown {
  const root = { value: copyOf(sample) };
  for (const [kind, place, value] of list) {
    const places = placesOf(root);
    const { owner, key } = places[place % places.length];
    const held = owner[key];
    switch (kind % 8) {
      case 0:
      case 1:
        owner[key] = copyOf(STRANGE[value % STRANGE.length]);
        break;
      case 2:
        owner[key] = words[value % words.length];
        break;
      case 3:
        if (Array.isArray(owner)) owner.splice(Number(key), 1);
        else if (owner !== root) delete owner[key];
        break;
      case 4: { // from elsewhere
        const others = placesOf({ value: copyOf(samples[value % samples.length]) });
        const other = others[(place >> 3) % others.length];
        owner[key] = other.owner[other.key];
        break;
      }
      case 5:
        if (Array.isArray(held)) {
          const most = Math.floor(NODES_MAX / sizeOf(held));
          owner[key] = Array.from(
            { length: Math.min(value % 300, most) },
            (_, at) => copyOf(held[at % held.length]),
          );
        } else if (sizeOf(held) * 8 < NODES_MAX) {
          owner[key] = Array.from({ length: value % 8 }, () => copyOf(held));
        }
        break;
      case 6: { // as deep as the stack is said to be
        let deep: unknown = held;
        for (let depth = value % 500; depth > 0; depth--) deep = depth % 2 ? [deep] : { a: deep };
        owner[key] = deep;
        break;
      }
      case 7:
        if (typeof held === "string") {
          owner[key] = (held.repeat(value % 100) + words[place % words.length]).slice(0, CHARS_MAX);
        } else if (typeof held === "number") owner[key] = held * (value % 2 ? -1 : 1e6) + value;
        else if (held && typeof held === "object" && !Array.isArray(held)) {
          Object.assign(held, { [words[value % words.length]]: copyOf(STRANGE[place % STRANGE.length]) });
        }
        break;
    }
  }
  return root.value;
}

/** Of what is JSON. Ten times as fast as structuredClone. */
function copyOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(copyOf);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, copyOf(inner)]));
}

interface Place {
  owner: Record<string, unknown>;
  key: string;
}

/** Every value in it, the whole first. Deep ones once are not followed again: that costs more than it finds. */
function placesOf(root: { value: unknown }): Place[] {
  const places: Place[] = [];
  const visit = (owner: Record<string, unknown>, key: string, depth: number) => {
    if (places.length >= 200) return;
    places.push({ owner, key });
    const held = owner[key];
    if (held === null || typeof held !== "object" || depth === 20) return;
    for (const inner of Object.keys(held)) visit(held as Record<string, unknown>, inner, depth + 1);
  };
  visit(root as unknown as Record<string, unknown>, "value", 0);
  return places;
}

/** Values in a value, up to a bound. */
function sizeOf(value: unknown): number {
  return placesOf({ value }).length;
}

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
