/**
 * File descriptors of this process: the open ones and the limit. By libc's getrlimit(2) and poll(2), since Deno reads
 * /proc only with `--allow-all`; counting opens none.
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
/** The kernel assigns the lowest free number, and the service never needs more. */
const COUNTED_MAX = 8_192;

const libc = openLibc(SYMBOLS)?.symbols;

let polled = new ArrayBuffer(0);

/** Undefined where there is no known libc. */
export function readDescriptors(): DescriptorUse | undefined {
  if (!libc) return undefined;
  const limits = new BigUint64Array(2);
  if (libc.getrlimit(RLIMIT_NOFILE, limits) !== 0) return undefined;
  const limit = Number(limits[0]);
  const count = Math.min(limit, COUNTED_MAX);
  if (polled.byteLength !== count * POLLFD_BYTES) {
    polled = new ArrayBuffer(count * POLLFD_BYTES);
    const numbers = new Int32Array(polled);
    for (let fd = 0; fd < count; fd++) numbers[2 * fd] = fd;
  }
  // Does not wait: a number that is not open has POLLNVAL.
  if (libc.poll(new Uint8Array(polled), BigInt(count), 0) < 0) return undefined;
  const words = new Int16Array(polled);
  let open = 0;
  for (let fd = 0; fd < count; fd++) if ((words[4 * fd + 3] & POLLNVAL) === 0) open++;
  return { open, limit };
}
