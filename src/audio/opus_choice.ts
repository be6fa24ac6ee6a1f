/** Which build of libopus decodes: ours, or the npm package that MEDIA_OPUS names (decision 0014). */
import { TiroError } from "../domain/mod.ts";
import { OpusDecoder, type PacketDecoder } from "./opus.ts";

export type OpusBuild = "built-in" | "libopus-wasm";

let Decoder: new (sampleRateHz: number) => PacketDecoder = OpusDecoder;

/** The chosen build cannot be loaded. */
export class OpusLoadError extends TiroError {}

/** For decoders of this thread opened once it has resolved. Rejects with OpusLoadError. */
export async function chooseOpus(build: OpusBuild): Promise<void> {
  try {
    Decoder = build === "built-in" ? OpusDecoder : (await import("./opus_package.ts")).PackageDecoder;
  } catch (cause) {
    throw new OpusLoadError(
      "Cannot load libopus-wasm: its code does not run here; unset MEDIA_OPUS to use the built-in decoder",
      { code: "opus_load", retryable: false, cause },
    );
  }
}

/** Throws RangeError for a rate Opus does not decode to, and when there are too many decoders. */
export function openDecoder(sampleRateHz: number): PacketDecoder {
  return new Decoder(sampleRateHz);
}

/** Gives decoders that can be used at once: a package's is opened ahead. Throws as `openDecoder` does. */
export class DecoderSource implements Disposable {
  #ahead: PacketDecoder | undefined;

  constructor(private readonly sampleRateHz: number) {
    if (Decoder !== OpusDecoder) this.#ahead = openDecoder(sampleRateHz);
  }

  take(): PacketDecoder {
    const next = openDecoder(this.sampleRateHz);
    const decoder = this.#ahead ?? next;
    if (this.#ahead) this.#ahead = next;
    return decoder;
  }

  [Symbol.dispose](): void {
    this.#ahead?.[Symbol.dispose]();
  }
}
