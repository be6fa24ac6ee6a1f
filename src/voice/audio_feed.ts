/**
 * Audio of one client, from the socket to the pipeline, in order and whole: cuts messages to pieces that the pipeline
 * takes, one at a time, not faster than real time. While too much waits the socket is not read. Drops nothing.
 *
 *     message -> whole samples -> queue --(pace)--> source of the pipeline
 *                                   '-- full --> socket paused, until half of it has gone
 */
import { type Clock, codeOf, joinBytes } from "../domain/mod.ts";
import { BoundedQueue, delay, type Scope, untilAborted } from "../flow/mod.ts";
import type { ServerSocket } from "../http/mod.ts";
import type { VoiceCode } from "./codes.ts";
import { type AudioSource, blockBytes } from "./formats.ts";
import { Pace } from "./pace.ts";

export interface AudioFeedOptions {
  source: AudioSource;
  /** Rejects where the pipeline does not take it now; the same audio is sent again, unless it is "invalid_request". */
  send: (bytes: Uint8Array<ArrayBuffer>, timestampMs: number) => Promise<unknown>;
  socket: Pick<ServerSocket, "pause" | "resume">;
  /** No more audio is taken. */
  onFault: (code: VoiceCode) => void;
  /** The session's. */
  scope: Scope;
  clock: Clock;
}

/** Whole samples of any format. Two that are joined are half of what may be pending: LIMITS.sourceRequestBytes. */
const PIECE_BYTES = 32 * 1024;
/** Of small messages in one piece: less than captions are late by anyway. */
const JOINED_MS = 100;
/**
 * The same of a container: 1.4 s at 6 kbit/s, the least of Opus, which fit in what the pipeline takes ahead of real time.
 * The pipeline knows how long they are, and its reply comes when it can take the next.
 */
const CONTAINER_PIECE_BYTES = 1_024;
/** The socket is not read while more waits: 8 s of 16 kHz s16le, 0.7 s of 48 kHz stereo f32le. */
export const WAITING_BYTES = 256 * 1024;
/** The same of a container: 16 s at 32 kbit/s. */
const WAITING_CONTAINER_BYTES = 64 * 1024;
/** Messages of 1 ms: tiny ones take more memory than their bytes. */
const WAITING_PIECES = 512;
/** A paused socket delivers what was read already: one message, as large as the bound, and 16 KB of small ones. */
export const QUEUE_BYTES = 512 * 1024;
export const QUEUE_PIECES = 1_024;
/** Audio of which nothing is taken for so long, although it waits, cannot be taken. */
const STUCK_MS = 60_000;
/** A pipeline that failed is opened again meanwhile. */
const AGAIN_MS = 250;
const NOTHING = new Uint8Array();

export class AudioFeed {
  readonly #options: AudioFeedOptions;
  readonly #queue = new BoundedQueue<Uint8Array<ArrayBuffer>>({
    capacity: QUEUE_PIECES,
    bytes: { max: QUEUE_BYTES, of: ({ length }) => length },
  });
  readonly #pace = new Pace();
  readonly #block: number;
  readonly #waitingBytes: number;
  readonly #pieceBytes: number;
  /** Bytes a second; 0 where they do not tell the duration. */
  readonly #bytesPerMs: number;
  readonly #done: Promise<void>;
  readonly #giveUp: () => void;
  /** A part of a sample, whose rest comes with the next message. */
  #rest: Uint8Array<ArrayBuffer> = NOTHING;
  #sentMs = 0;
  /** The piece that is being sent is not in the queue any more. */
  #isSending = false;
  #isPaused = false;
  /** No more audio is received. */
  #hasEnded = false;
  /** No more is sent. */
  #isOver = false;
  /** While audio has to wait: begins anew with each piece that is taken. */
  #stuckTimer: Disposable | undefined;

  constructor(options: AudioFeedOptions) {
    this.#options = options;
    const { source, scope } = options;
    this.#block = blockBytes(source);
    const isPcm = source.kind === "pcm";
    this.#bytesPerMs = isPcm ? this.#block * source.format.sampleRateHz / 1_000 : 0;
    this.#pieceBytes = isPcm ? PIECE_BYTES : CONTAINER_PIECE_BYTES;
    this.#waitingBytes = isPcm ? WAITING_BYTES : WAITING_CONTAINER_BYTES;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#done = promise;
    this.#giveUp = resolve;
    scope.defer(() => this.#unpause());
    scope.run(async (signal) => {
      try {
        await this.#run(signal);
      } finally {
        this.#isOver = true;
        this.#watch();
        resolve();
      }
    });
  }

  /** Audio the pipeline has taken, ms; undefined for a container, whose duration is known to the pipeline only. */
  get takenMs(): number | undefined {
    return this.#bytesPerMs > 0 ? Math.round(this.#sentMs) : undefined;
  }

  get isWaiting(): boolean {
    return this.#isSending || this.#queue.size > 0;
  }

  /** Takes the next message of audio. Its memory belongs to the feed from then on. */
  receive(bytes: Uint8Array<ArrayBuffer>): void {
    const all = this.#rest.length > 0 ? joinBytes([this.#rest, bytes]) : bytes;
    const whole = all.length - all.length % this.#block;
    this.#rest = whole < all.length ? all.slice(whole) : NOTHING;
    for (let at = 0; at < whole; at += this.#pieceBytes) {
      if (!this.#queue.push(all.subarray(at, Math.min(at + this.#pieceBytes, whole)))) {
        return this.#options.onFault("too_fast");
      }
    }
    if (this.#queue.bytes >= this.#waitingBytes || this.#queue.size >= WAITING_PIECES) this.#pause();
  }

  /** No more audio is received. Resolves when the pipeline has taken all of it, or takes none, or the scope has ended. */
  end(): Promise<void> {
    this.#queue.close();
    this.#hasEnded = true;
    this.#watch();
    return this.#done;
  }

  async #run(signal: AbortSignal): Promise<void> {
    const { clock } = this.#options;
    for (;;) {
      const first = await untilAborted(this.#queue.next(), signal);
      if (first === undefined) return;
      this.#isSending = true;
      const piece = await this.#withMore(first);
      const durationMs = this.#bytesPerMs > 0 ? piece.length / this.#bytesPerMs : 0;
      const waitMs = this.#pace.waitMs(durationMs, clock.now());
      if (waitMs > 0) await delay(waitMs, signal, clock);
      if (!await this.#send(piece, signal)) return;
      this.#pace.spend(durationMs, clock.now());
      this.#sentMs += durationMs;
      this.#isSending = false;
      this.#watch();
      if (this.#queue.bytes <= this.#waitingBytes / 2 && this.#queue.size <= WAITING_PIECES / 2) {
        this.#unpause();
      }
    }
  }

  /** Of PCM, what came while the audio before was taken: a busy pipeline is sent fewer requests. */
  async #withMore(first: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const parts = [first];
    let bytes = first.length;
    while (this.#queue.size > 0 && bytes < this.#bytesPerMs * JOINED_MS) {
      const next = await this.#queue.next();
      if (next === undefined) break;
      parts.push(next);
      bytes += next.length;
    }
    return parts.length > 1 ? joinBytes(parts) : first;
  }

  /** False where the audio is not valid. */
  async #send(piece: Uint8Array<ArrayBuffer>, signal: AbortSignal): Promise<boolean> {
    const { send, onFault, clock } = this.#options;
    for (;;) {
      signal.throwIfAborted();
      try {
        await untilAborted(send(piece, this.#sentMs + this.#pace.pausedMs), signal);
        return true;
      } catch (error) {
        signal.throwIfAborted();
        if (codeOf(error) === "invalid_request") {
          onFault("bad_audio");
          return false;
        }
        await delay(AGAIN_MS, signal, clock);
      }
    }
  }

  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#options.socket.pause();
    this.#watch();
  }

  #unpause(): void {
    if (!this.#isPaused) return;
    this.#isPaused = false;
    this.#watch();
    this.#options.socket.resume();
  }

  /** From now on. */
  #watch(): void {
    this.#stuckTimer?.[Symbol.dispose]();
    this.#stuckTimer = undefined;
    if (this.#isOver || !this.#isPaused && !this.#hasEnded) return;
    const { clock, onFault } = this.#options;
    this.#stuckTimer = clock.timer(STUCK_MS, () => this.#hasEnded ? this.#giveUp() : onFault("too_fast"));
  }
}
