/**
 * Small files of Linux' proc(5) and sysfs(5). Deno reads them only with `--allow-all`, whatever `--allow-read` names, so
 * with narrower permissions libc does.
 */
import { cString, openLibc } from "./libc.ts";

/** The files needed have some KB; longer ones are cut. */
const BYTES_MAX = 64 * 1024;

const SYMBOLS = {
  fopen: { parameters: ["buffer", "buffer"], result: "pointer" },
  // On another thread: the kernel sums up a control group's counts when they are read.
  fread: { parameters: ["buffer", "usize", "usize", "pointer"], result: "usize", nonblocking: true },
  fclose: { parameters: ["pointer"], result: "i32" },
} as const;

let libc: Deno.DynamicLibrary<typeof SYMBOLS> | undefined;

/** Undefined where it cannot be read: absent, not Linux, or not permitted. */
export async function readSystemFile(path: string): Promise<string | undefined> {
  try {
    return await Deno.readTextFile(path);
  } catch (error) {
    return error instanceof Deno.errors.NotCapable ? await readByLibc(path) : undefined;
  }
}

async function readByLibc(path: string): Promise<string | undefined> {
  libc ??= openLibc(SYMBOLS);
  if (!libc) return undefined;
  const { fopen, fread, fclose } = libc.symbols;
  const file = fopen(cString(path), cString("re"));
  if (file === null) return undefined;
  try {
    const bytes = new Uint8Array(BYTES_MAX);
    const read = await fread(bytes, 1n, BigInt(bytes.length), file);
    return new TextDecoder().decode(bytes.subarray(0, Number(read)));
  } finally {
    fclose(file);
  }
}
