/**
 * glibc through FFI, on 64-bit Linux. With permission for all libraries it is opened by its name; with permission for
 * some by the first of `LIBC_PATHS` that is among them, since Deno then takes a bare name for a file of the working
 * directory.
 */

/** Debian and Ubuntu by architecture, then Fedora, SUSE and Arch; the same as in deno.json. */
const LIBC_PATHS = [
  "/lib/x86_64-linux-gnu/libc.so.6",
  "/lib/aarch64-linux-gnu/libc.so.6",
  "/lib64/libc.so.6",
] as const;

/** The bytes of a C string. */
export function cString(text: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(`${text}\0`);
}

/** Undefined without a known libc or permission. The library stays open for the life of the thread. */
export function openLibc<Symbols extends Deno.ForeignLibraryInterface>(
  symbols: Symbols,
): Deno.DynamicLibrary<Symbols> | undefined {
  const { os, arch } = Deno.build;
  if (os !== "linux" || (arch !== "x86_64" && arch !== "aarch64")) return undefined;
  const isGranted = (path?: string) => Deno.permissions.querySync({ name: "ffi", path }).state === "granted";
  for (const path of isGranted() ? ["libc.so.6"] : LIBC_PATHS.filter(isGranted)) {
    try {
      return Deno.dlopen(path, symbols);
    } catch {
      // absent, or another libc
    }
  }
  return undefined;
}
