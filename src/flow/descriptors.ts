/**
 * File descriptors of this process: how many are open, and how many may be. From libc, since Deno reads /proc for
 * `--allow-all` alone; one call counts them and takes none. Linux' getrlimit(2), poll(2).
 */
import { openLibc } from "./libc.ts";

export interface DescriptorUse {
  open: number;
  /** RLIMIT_NOFILE. Deno raises the soft one to the hard one when it starts. */
  limit: number;
}

const SYMBOLS = {
  getrlimit: { parameters: ["i32", "buffer"], result: "i32" },
  poll: { parameters: ["buffer", "u64", "i32"], result: "i32" },
} as const;

const RLIMIT_NOFILE = 7;
const POLLFD_BYTES = 8;
const POLLNVAL = 0x20;
/** The kernel hands out the lowest number that is free: more than the service ever needs is not looked at. */
const LOOKED_AT_MAX = 8_192;

const libc = openLibc(SYMBOLS)?.symbols;

let polled = new ArrayBuffer(0);

/** Undefined where it cannot be known here. */
export function readDescriptors(): DescriptorUse | undefined {
  if (!libc) return undefined;
  const limits = new BigUint64Array(2);
  if (libc.getrlimit(RLIMIT_NOFILE, limits) !== 0) return undefined;
  const limit = Number(limits[0]);
  const count = Math.min(limit, LOOKED_AT_MAX);
  if (polled.byteLength !== count * POLLFD_BYTES) {
    polled = new ArrayBuffer(count * POLLFD_BYTES);
    const numbers = new Int32Array(polled);
    for (let fd = 0; fd < count; fd++) numbers[2 * fd] = fd;
  }
  // Nothing is waited for: a number that is not open has POLLNVAL.
  if (libc.poll(new Uint8Array(polled), BigInt(count), 0) < 0) return undefined;
  const words = new Int16Array(polled);
  let open = 0;
  for (let fd = 0; fd < count; fd++) if ((words[4 * fd + 3] & POLLNVAL) === 0) open++;
  return { open, limit };
}
