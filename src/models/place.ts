/**
 * Puts a file where it belongs: written beside its place as `.part`, checked, and only then given its name. So a file with
 * its name is whole, whatever ended the process. One process at a time writes a part.
 */
import { createHash } from "node:crypto";
import { ModelError, type ModelErrorCode } from "./errors.ts";
import type { ModelFile } from "./model.ts";

export interface Part {
  /** Bytes already there, of an earlier attempt. */
  readonly bytes: number;
  write(piece: Uint8Array): Promise<void>;
  /** Forgets what is there. */
  restart(): Promise<void>;
}

/**
 * `fill` writes what is missing. Rejects with its error, or with ModelError where the file cannot be written or is not the
 * one wanted; a part of the wrong content is removed, a short one is kept for the next attempt.
 */
export async function placeFile(
  folder: string,
  file: Pick<ModelFile, "name" | "bytes" | "sha256">,
  fill: (part: Part) => Promise<void>,
): Promise<void> {
  const path = `${folder}/${file.name}`;
  const partPath = `${path}.part`;
  const cannot = (cause: string, code: ModelErrorCode, error?: unknown) =>
    new ModelError(`Cannot write ${path}: ${cause}`, code, error);
  let isUseless = false;
  try {
    await Deno.mkdir(folder, { recursive: true });
    using part = await Deno.open(partPath, { read: true, write: true, create: true });
    if (!await part.tryLock(true)) {
      throw cannot("another process is writing it; wait until it is done", "folder");
    }
    const content = await PartContent.of(part, file.bytes);
    await fill(content);
    if (content.bytes < file.bytes) {
      throw cannot("the source ended early; run the command again to continue", "download");
    }
    if (content.checksum() !== file.sha256) {
      isUseless = true;
      throw cannot("the source has another content than the catalogue says", "content");
    }
    await part.sync();
    await Deno.rename(partPath, path);
  } catch (error) {
    isUseless ||= isDiskFull(error); // somebody else may need the space
    const cause = causeOf(error, file.bytes);
    throw cause === undefined ? error : cannot(cause, "folder", error);
  } finally {
    if (isUseless) await Deno.remove(partPath).catch(() => {});
  }
}

function isDiskFull(error: unknown): boolean {
  return error instanceof Error && /\(os error 28\)/.test(error.message);
}

/** Of an error of the file system, and what to do; undefined for others. */
function causeOf(error: unknown, bytes: number): string | undefined {
  if (error instanceof Deno.errors.NotCapable) {
    return "Tiro has no permission there; TIRO_DATA_DIR and STT_MODEL_DIR name the folders";
  }
  if (error instanceof Deno.errors.PermissionDenied) {
    return "this user may not write there; create its folder as root and change the owner, or set TIRO_DATA_DIR";
  }
  if (isDiskFull(error)) return `the disk is full; the file needs ${bytes} bytes`;
  return error instanceof Error ? error.message.match(/^(.*) \(os error \d+\)/)?.[1] : undefined;
}

class PartContent implements Part {
  #hash = createHash("sha256");
  #bytes = 0;

  private constructor(private readonly file: Deno.FsFile, private readonly bytesMax: number) {}

  static async of(file: Deno.FsFile, bytesMax: number): Promise<PartContent> {
    const content = new PartContent(file, bytesMax);
    const piece = new Uint8Array(1024 * 1024);
    for (let read = await file.read(piece); read !== null; read = await file.read(piece)) {
      content.#add(piece.subarray(0, read));
    }
    if (content.#bytes > bytesMax) await content.restart();
    return content;
  }

  get bytes(): number {
    return this.#bytes;
  }

  checksum(): string {
    return this.#hash.digest("hex");
  }

  async restart(): Promise<void> {
    await this.file.truncate(0);
    await this.file.seek(0, Deno.SeekMode.Start);
    this.#hash = createHash("sha256");
    this.#bytes = 0;
  }

  async write(piece: Uint8Array): Promise<void> {
    if (this.#bytes + piece.length > this.bytesMax) {
      await this.restart();
      throw new ModelError(
        "Cannot write the file: the source sends more than the catalogue says",
        "content",
      );
    }
    for (let at = 0; at < piece.length;) at += await this.file.write(piece.subarray(at));
    this.#add(piece);
  }

  #add(piece: Uint8Array): void {
    this.#hash.update(piece);
    this.#bytes += piece.length;
  }
}
