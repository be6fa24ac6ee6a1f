/** Archives for tests of what reads them. */

export type Entries = readonly (readonly [name: string, content: Uint8Array<ArrayBuffer>])[];

/** As `npm pack` writes it. */
export async function tgz(entries: Entries): Promise<Uint8Array<ArrayBuffer>> {
  const blocks = entries.flatMap(([name, content]) => {
    const header = new Uint8Array(512);
    const put = (text: string, at: number) => header.set(new TextEncoder().encode(text), at);
    put(name, 0);
    put(`${content.length.toString(8).padStart(11, "0")}\0`, 124);
    put("0", 156);
    put("ustar\0", 257);
    return [header, content, new Uint8Array((512 - content.length % 512) % 512)];
  });
  return await packed(await bytes(new Blob([...blocks, new Uint8Array(1024)])), "gzip");
}

/** As Python writes wheels; every second entry stored. */
export async function zip(entries: Entries): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let at = 0;
  for (const [index, [name, content]] of entries.entries()) {
    const isDeflated = index % 2 === 0;
    const data = isDeflated ? await packed(content, "deflate-raw") : content;
    const path = new TextEncoder().encode(name);
    const sizes = [4, data.length, 4, content.length, 2, path.length];
    const method = isDeflated ? 8 : 0;
    const local = record(
      [4, 0x04034b50, 2, 20, 2, 0, 2, method, 4, 0, 4, 0, ...sizes, 2, 3],
      path,
      new Uint8Array(3),
    );
    const central = [
      4,
      0x02014b50,
      2,
      20,
      2,
      20,
      2,
      0,
      2,
      method,
      4,
      0,
      4,
      0,
      ...sizes,
      2,
      0,
      2,
      0,
      2,
      0,
      2,
      0,
      4,
      0,
    ];
    parts.push(local, data);
    directory.push(record([...central, 4, at], path));
    at += local.length + data.length;
  }
  const size = directory.reduce((sum, { length }) => sum + length, 0);
  const count = entries.length;
  const end = record(
    [4, 0x06054b50, 2, 0, 2, 0, 2, count, 2, count, 4, size, 4, at, 2, 7],
    new TextEncoder().encode("comment"),
  );
  return await bytes(new Blob([...parts, ...directory, end]));
}

/** Little-endian numbers, each after its width in bytes; then what follows them. */
function record(numbers: readonly number[], ...more: Uint8Array[]): Uint8Array<ArrayBuffer> {
  const fields = numbers.flatMap((value, at) =>
    at % 2 === 0
      ? []
      : Array.from({ length: numbers[at - 1] }, (_, byte) => Math.floor(value / 256 ** byte) % 256)
  );
  return Uint8Array.from([...fields, ...more.flatMap((bytes) => [...bytes])]);
}

async function packed(
  content: Uint8Array<ArrayBuffer>,
  format: CompressionFormat,
): Promise<Uint8Array<ArrayBuffer>> {
  return await bytes(new Blob([content]).stream().pipeThrough(new CompressionStream(format)));
}

async function bytes(what: Blob | ReadableStream<Uint8Array>): Promise<Uint8Array<ArrayBuffer>> {
  return new Uint8Array(await new Response(what).arrayBuffer());
}
