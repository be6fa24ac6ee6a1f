/**
 * A fake of Kyutai's moshi-server: a real WebSocket server on loopback that recognises the toy language of `tones.ts`.
 * It has a number of channels, takes MessagePack, processes whole steps of 80 ms, is `delayMs` behind with words, and
 * returns a marker once that much audio has followed it.
 */
import { decode, encode } from "@msgpack/msgpack";
import type { ServerConnection } from "./websocket_server.ts";
import { Behind, rms, VOICED_RMS } from "./stt_recognisers.ts";
import { SttStandIn } from "./stt_stand_in.ts";
import { ToneRecogniser } from "./tones.ts";

export interface FakeMoshiOptions {
  channels?: number;
  /** How far words are behind the audio. */
  delayMs?: number;
  /** Any other key is answered with 401. */
  key?: string;
}

const SAMPLE_RATE_HZ = 24_000;
const STEP_SAMPLES = 1_920;
const STEP_MS = 80;
/** A pause of two seconds is likely after this much silence. */
const PAUSE_MS = 400;

type Message = Partial<Record<"type" | "pcm" | "id", unknown>>;

export class FakeMoshiServer extends SttStandIn {
  readonly #options: Required<Omit<FakeMoshiOptions, "key">> & Pick<FakeMoshiOptions, "key">;

  private constructor(options: FakeMoshiOptions) {
    super();
    this.#options = { channels: 64, delayMs: 500, ...options };
  }

  static start(options: FakeMoshiOptions = {}): FakeMoshiServer {
    return new FakeMoshiServer(options);
  }

  protected override handshake({ headers, url }: Request): number | undefined {
    const { key } = this.#options;
    if (key !== undefined && headers.get("kyutai-api-key") !== key) return 401;
    return new URL(url).pathname === "/api/asr-streaming" ? undefined : 404;
  }

  protected override open(connection: ServerConnection): void {
    const send = (message: Record<string, unknown>) => connection.send(encode(message));
    if (this.live >= this.#options.channels) {
      send({ type: "Error", message: "no free channels" });
      return connection.close();
    }
    const channel = new Channel(this.#options.delayMs, send);
    send({ type: "Ready" });
    this.admit(connection, {
      message: (data) => {
        if (typeof data !== "string") channel.receive(decode(data) as Message);
      },
    });
  }
}

class Channel {
  readonly #recogniser: Behind;
  readonly #delaySteps: number;
  #samples: number[] = [];
  #steps = 0;
  #silentMs = 0;
  readonly #markers: { id: unknown; step: number }[] = [];

  constructor(delayMs: number, private readonly send: (message: Record<string, unknown>) => void) {
    this.#recogniser = new Behind(new ToneRecogniser(SAMPLE_RATE_HZ), delayMs);
    this.#delaySteps = Math.ceil(delayMs / STEP_MS);
  }

  receive({ type, pcm, id }: Message): void {
    if (type === "Marker") {
      const buffered = Math.floor(this.#samples.length / STEP_SAMPLES);
      this.#markers.push({ id, step: this.#steps + this.#delaySteps + buffered });
    }
    if (type !== "Audio" || !Array.isArray(pcm)) return;
    this.#samples.push(...pcm);
    while (this.#samples.length >= STEP_SAMPLES) {
      this.#step(Float32Array.from(this.#samples.splice(0, STEP_SAMPLES)));
    }
  }

  #step(samples: Float32Array<ArrayBuffer>): void {
    this.#steps++;
    this.#silentMs = rms(samples) < VOICED_RMS ? this.#silentMs + STEP_MS : 0;
    const prs = [0, 0, this.#silentMs >= PAUSE_MS ? 0.9 : 0.1, 0];
    this.send({ type: "Step", step_idx: 1_000 + this.#steps, prs, buffered_pcm: this.#samples.length });
    for (const { word, endMs } of this.#recogniser.receive(samples)) {
      this.send({ type: "Word", text: word, start_time: Math.max(0, endMs - 200) / 1_000 });
      this.send({ type: "EndWord", stop_time: endMs / 1_000 });
    }
    while (this.#markers.length > 0 && this.#markers[0].step <= this.#steps) {
      this.send({ type: "Marker", id: this.#markers.shift()!.id });
    }
  }
}
