/**
 * CMU PocketSphinx from Debian's packages, as a child process a session: 16-bit PCM into a GStreamer pipeline's
 * standard input, hypotheses from its standard output. For trying the service without a server, and for tests: its
 * words are worse than a modern model's, English only, and each session loads the models anew (up to a second, while
 * audio waits in the pipe).
 *
 * There is no gate on audio in flight here. The pipe is one: it holds 64 KB, two seconds, and a recogniser that falls
 * behind leaves the rest unread, so `write` waits. Hypotheses would be no better as acknowledgements, for silence
 * brings none.
 */
import {
  type Clock,
  type Language,
  LIMITS,
  OverflowError,
  type PcmFrame,
  type SpeechToText,
  SttError,
  type SttEvent,
  type SttFeatures,
  type SttOptions,
  type SttSession,
} from "../../domain/mod.ts";
import { sttEventQueue } from "../event_queue.ts";
import { PocketsphinxDecoder } from "./codec.ts";

export interface PocketsphinxSettings {
  clock: Clock;
  /** Run this instead: another pipeline around `pocketsphinx`, 16 kHz s16le in and `gst-launch-1.0 -m`'s messages out. */
  command?: readonly [string, ...string[]];
  /** Whether it can be run here. Default: it is taken for granted of a command, and looked up where there is none. */
  isInstalled?: () => Promise<boolean>;
}

const NAME = "pocketsphinx";
export const POCKETSPHINX_SAMPLE_RATE_HZ = 16_000;
export const POCKETSPHINX_LANGUAGES: readonly Language[] = [
  { id: "en", name: "English", metadata: { separator: " ", rtl: false } },
];

/** Its last word on an utterance comes half a second after it. */
export const FEATURES: SttFeatures = { acknowledges: false, latencyMs: 500 };

const PACKAGES = "gstreamer1.0-pocketsphinx gstreamer1.0-tools gstreamer1.0-plugins-base pocketsphinx-en-us";
const MODEL = "/usr/share/pocketsphinx/model/en-us/en-us";
/** After the end of the audio: up to a second of models still loading, then a second pass over the last utterance. */
const FINISH_MS = 10_000;

/** By their paths: Deno's permission is for these files, and what the PATH finds first may be another name of one. */
const STDBUF = "/usr/bin/stdbuf";
const INSPECT = "/usr/bin/gst-inspect-1.0";

/**
 * stdbuf makes standard output a line at a time. The block is 100 ms of audio: what a hypothesis may be late by. The
 * sink must not wait for a clock, because the audio comes as fast as it was spoken already.
 */
const PIPELINE =
  "fdsrc fd=0 blocksize=3200 ! rawaudioparse use-sink-caps=false format=pcm pcm-format=s16le " +
  "sample-rate=16000 num-channels=1 ! pocketsphinx ! fakesink sync=false";
const COMMAND = [STDBUF, "-oL", "gst-launch-1.0", "-m", ...PIPELINE.split(" ")] as const;

/** Whether the packages are installed here. */
export async function pocketsphinxAvailable(): Promise<boolean> {
  try {
    await Deno.stat(MODEL);
    for (const element of ["pocketsphinx", "rawaudioparse"]) {
      const { success } = await run(INSPECT, [element]);
      if (!success) return false;
    }
    return (await run(STDBUF, ["--version"])).success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

function run(command: string, args: string[]): Promise<Deno.CommandStatus> {
  return new Deno.Command(command, { args, stdin: "null", stdout: "null", stderr: "null" }).spawn().status;
}

export function pocketsphinxStt(settings: PocketsphinxSettings): SpeechToText {
  const { command, isInstalled = command ? () => Promise.resolve(true) : pocketsphinxAvailable } = settings;
  /** Looking takes three processes. What is there stays there; what is missing may be installed meanwhile. */
  let isThere = false;
  const look = async () => isThere ||= await isInstalled();
  return {
    name: NAME,
    sampleRateHz: POCKETSPHINX_SAMPLE_RATE_HZ,
    languages: POCKETSPHINX_LANGUAGES,
    features: FEATURES,
    open: (options, signal) => open(settings, look, options, signal),
  };
}

async function open(
  settings: PocketsphinxSettings,
  isInstalled: () => Promise<boolean>,
  options: SttOptions,
  signal: AbortSignal,
): Promise<SttSession> {
  signal.throwIfAborted();
  if (!POCKETSPHINX_LANGUAGES.some(({ id }) => id === options.languageId)) {
    throw new SttError(`Cannot open STT session: "${NAME}" does not know the language`, {
      code: "stt_language",
      retryable: false,
    });
  }
  if (!await isInstalled()) throw notInstalled();
  signal.throwIfAborted();
  const [program, ...args] = settings.command ?? COMMAND;
  try {
    const child = new Deno.Command(program, {
      args,
      stdin: "piped",
      stdout: "piped",
      stderr: "null",
    }).spawn();
    return new PocketsphinxSession(child, settings.clock, options.recycle, signal);
  } catch (cause) {
    throw notInstalled(cause);
  }
}

function notInstalled(cause?: unknown): SttError {
  return new SttError(`Cannot open STT session: install the Debian packages ${PACKAGES}`, {
    code: "stt_not_installed",
    retryable: false,
    cause,
  });
}

class PocketsphinxSession implements SttSession {
  readonly events: ReadableStream<SttEvent>;
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #clock: Clock;
  readonly #recycle: SttOptions["recycle"];
  readonly #signal: AbortSignal;
  readonly #events = sttEventQueue();
  readonly #running: Promise<void>;
  #finishing?: Promise<void>;
  #over: unknown;

  constructor(
    child: Deno.ChildProcess,
    clock: Clock,
    recycle: SttOptions["recycle"],
    signal: AbortSignal,
  ) {
    this.#child = child;
    this.#recycle = recycle;
    this.#clock = clock;
    this.#signal = signal;
    this.#input = child.stdin.getWriter();
    this.#output = child.stdout.getReader();
    this.#input.closed.catch(() => {}); // a broken pipe is told by the write, and by the process's end
    this.events = this.#events.readable();
    signal.addEventListener("abort", this.#onAbort, { once: true });
    this.#running = this.#run();
  }

  write(frame: PcmFrame): Promise<void> {
    if (this.#over !== undefined) return Promise.reject(this.#over);
    if (this.#finishing) return Promise.reject(sessionOver());
    if (frame.sampleRateHz !== POCKETSPHINX_SAMPLE_RATE_HZ) {
      throw new RangeError(
        `Cannot write audio at ${frame.sampleRateHz} Hz: the recogniser takes ${POCKETSPHINX_SAMPLE_RATE_HZ} Hz`,
      );
    }
    const pcm = toInt16(frame.samples);
    this.#recycle?.(frame.samples);
    return this.#send(pcm);
  }

  finish({ behindMs = 0 } = {}): Promise<void> {
    return this.#finishing ??= this.#finish(behindMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end(sessionOver());
    await this.#running;
  }

  /** Settles when the pipe has taken it. A killed process breaks the pipe, so nobody waits for long. */
  async #send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      await this.#input.write(bytes);
    } catch {
      this.#kill(); // whoever does not read any more is not to live on
      await this.#running;
      throw this.#over; // why the process ended
    }
  }

  /** Reads until the process has ended, whoever ended it. */
  async #run(): Promise<void> {
    const decoder = new PocketsphinxDecoder();
    try {
      for (let read = await this.#output.read(); !read.done; read = await this.#output.read()) {
        decoder.receive(read.value).forEach((event, at, events) => {
          // A hypothesis already replaced is no news; a burst of them would only crowd the queue.
          if (event.type !== "partial" || at === events.length - 1) this.#emit(event);
        });
      }
    } catch {
      this.#kill(); // nobody can hear it any more
    }
    const { code } = await this.#child.status;
    await this.#input.abort().catch(() => {}); // frees the pipe, whatever was still to be written
    if (this.#finishing && code === 0) return this.#end(sessionOver());
    const failure = new SttError(`Cannot go on with STT session: the recogniser ended with status ${code}`, {
      code: "stt_exited",
      retryable: true,
    });
    this.#end(failure, failure);
  }

  #emit(event: SttEvent): void {
    if (this.#over !== undefined || this.#events.push(event)) return;
    if (this.#events.dropped === 0) return; // its reader cancelled: the owner will dispose
    const overflow = new OverflowError("stt_events", LIMITS.sttEvents);
    this.#end(overflow, overflow);
  }

  async #finish(behindMs: number): Promise<void> {
    if (this.#over === undefined) {
      // Killed at the deadline; all that is waited for below then comes at once.
      using _deadline = this.#clock.timer(FINISH_MS, () => this.#end(sessionOver()));
      try {
        const samples = Math.round(
          POCKETSPHINX_SAMPLE_RATE_HZ * Math.max(LIMITS.sttFlushMs, behindMs) / 1000,
        );
        await this.#send(new Uint8Array(2 * samples));
        await this.#input.close();
      } catch {
        // It ended before it took everything: `events` has said so.
      }
      await this.#running;
    } else await this.#running;
  }

  /** The one way out. `reason` is what a writer gets; `failure`, if any, what the reader of `events` does. */
  #end(reason: unknown, failure?: unknown): void {
    if (this.#over !== undefined) return;
    this.#over = reason;
    this.#signal.removeEventListener("abort", this.#onAbort);
    this.#events.close({ error: failure });
    this.#kill();
  }

  #kill(): void {
    // A process of its own that it leaves behind may hold the pipe open: the end of the output is not to be waited for.
    void this.#output.cancel().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has ended by itself
    }
  }

  readonly #onAbort = () => this.#end(this.#signal.reason);
}

/** Float32 in [-1, 1] to 16-bit little-endian, the byte order of every machine Deno runs on. Louder is clipped. */
function toInt16(samples: Float32Array): Uint8Array<ArrayBuffer> {
  const pcm = new Int16Array(samples.length);
  for (let at = 0; at < samples.length; at++) {
    pcm[at] = Math.max(-32_768, Math.min(32_767, Math.round(samples[at] * 32_768)));
  }
  return new Uint8Array(pcm.buffer);
}

function sessionOver(): SttError {
  return new SttError("Cannot write to STT session: it is over", { code: "stt_over", retryable: true });
}
