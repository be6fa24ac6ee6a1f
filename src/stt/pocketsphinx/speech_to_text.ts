/**
 * CMU PocketSphinx from Debian's packages, a child process per session: 16-bit PCM to a GStreamer pipeline's standard
 * input, hypotheses from its standard output. For trying the service without a server, and for tests: its words are worse
 * than a modern model's, English only, and each session loads the models (up to a second, while audio waits in the pipe).
 *
 * The pipe is the flow control: it holds 64 KB, two seconds, and `write` waits while it is full. Hypotheses do not
 * acknowledge audio, as silence has none.
 */
import {
  type Clock,
  type Language,
  languagesOf,
  LIMITS,
  type PcmFrame,
  type SpeechToText,
  type SttError,
  type SttEvent,
  type SttFeatures,
  type SttOptions,
  type SttSession,
} from "../../domain/mod.ts";
import { cannotOpen, requireLanguage, sessionEnded, sessionFailed } from "../errors.ts";
import { toInt16 } from "../pcm.ts";
import { SessionEvents } from "../session_events.ts";
import { PocketsphinxDecoder } from "./codec.ts";

export interface PocketsphinxSettings {
  clock: Clock;
  /** Default: the pipeline below. Takes 16 kHz s16le, and writes `gst-launch-1.0 -m`'s messages. */
  command?: readonly [string, ...string[]];
  /** Default: true with `command`, else looks for the packages. */
  isInstalled?: () => Promise<boolean>;
}

const NAME = "pocketsphinx";
export const POCKETSPHINX_SAMPLE_RATE_HZ = 16_000;
export const POCKETSPHINX_LANGUAGES: readonly Language[] = languagesOf(["en"]);

/** The final hypothesis follows an utterance by half a second. */
export const FEATURES: SttFeatures = {
  acknowledges: false,
  latencyMs: 500,
  partials: true,
  isLocal: true,
};

const PACKAGES = "gstreamer1.0-pocketsphinx gstreamer1.0-tools gstreamer1.0-plugins-base pocketsphinx-en-us";
const MODEL = "/usr/share/pocketsphinx/model/en-us/en-us";
/** After the end of the audio: up to a second to load the models, then a second pass over the last utterance. */
const FINISH_MS = 10_000;

/** Absolute paths: Deno's permission is for these files, and the PATH may find a link to one first. */
const STDBUF = "/usr/bin/stdbuf";
const INSPECT = "/usr/bin/gst-inspect-1.0";

/**
 * stdbuf makes standard output line-buffered. A block is 100 ms of audio, which a hypothesis may be late by. The sink must
 * not wait for a clock, as audio arrives in real time.
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
  /** A check takes three processes, so its success is remembered. */
  let wasFound = false;
  const check = async () => wasFound ||= await isInstalled();
  return {
    name: NAME,
    sampleRateHz: POCKETSPHINX_SAMPLE_RATE_HZ,
    languages: POCKETSPHINX_LANGUAGES,
    features: FEATURES,
    open: (options, signal) => open(settings, check, options, signal),
  };
}

async function open(
  settings: PocketsphinxSettings,
  isInstalled: () => Promise<boolean>,
  options: SttOptions,
  signal: AbortSignal,
): Promise<SttSession> {
  signal.throwIfAborted();
  requireLanguage(NAME, POCKETSPHINX_LANGUAGES, options.languageId);
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
  return cannotOpen(`install the Debian packages ${PACKAGES}`, "stt_not_installed", false, cause);
}

class PocketsphinxSession implements SttSession {
  readonly #child: Deno.ChildProcess;
  readonly #input: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  readonly #output: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  readonly #clock: Clock;
  readonly #recycle: SttOptions["recycle"];
  readonly #events: SessionEvents;
  readonly #running: Promise<void>;
  #finishing?: Promise<void>;

  constructor(
    child: Deno.ChildProcess,
    clock: Clock,
    recycle: SttOptions["recycle"],
    signal: AbortSignal,
  ) {
    this.#child = child;
    this.#recycle = recycle;
    this.#clock = clock;
    this.#input = child.stdin.getWriter();
    this.#output = child.stdout.getReader();
    this.#input.closed.catch(() => {}); // a broken pipe fails the write, and the process's end is awaited
    this.#events = new SessionEvents(signal, () => this.#kill());
    this.#running = this.#run();
  }

  get events(): ReadableStream<SttEvent> {
    return this.#events.stream;
  }

  write(frame: PcmFrame): Promise<void> {
    if (this.#events.endReason !== undefined) return Promise.reject(this.#events.endReason);
    if (this.#finishing) return Promise.reject(sessionEnded());
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
    this.#events.end(sessionEnded());
    await this.#running;
  }

  /** Resolves when the pipe has taken it. A killed process breaks the pipe. */
  async #send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    try {
      await this.#input.write(bytes);
    } catch {
      this.#kill(); // a process that no longer reads is of no use
      await this.#running;
      throw this.#events.endReason; // why the process ended
    }
  }

  /** Reads until the process has ended. */
  async #run(): Promise<void> {
    const decoder = new PocketsphinxDecoder();
    try {
      for (let read = await this.#output.read(); !read.done; read = await this.#output.read()) {
        decoder.receive(read.value).forEach((event, at, events) => {
          // Of a burst of hypotheses only the last matters.
          if (event.type !== "partial" || at === events.length - 1) this.#events.push(event);
        });
      }
    } catch {
      this.#kill(); // its output can no longer be read
    }
    const { code } = await this.#child.status;
    await this.#input.abort().catch(() => {}); // closes the pipe, whatever was still to be written
    if (this.#finishing && code === 0) return this.#events.end(sessionEnded());
    this.#events.fail(sessionFailed(`the recogniser ended with status ${code}`, "stt_exited"));
  }

  async #finish(behindMs: number): Promise<void> {
    if (this.#events.endReason === undefined) {
      // The process is killed at the deadline, which ends all waits below.
      using _deadline = this.#clock.timer(FINISH_MS, () => this.#events.end(sessionEnded()));
      try {
        const samples = Math.round(
          POCKETSPHINX_SAMPLE_RATE_HZ * Math.max(LIMITS.sttFlushMs, behindMs) / 1000,
        );
        await this.#send(new Uint8Array(2 * samples));
        await this.#input.close();
      } catch {
        // It ended before it took everything, which is an error of `events`.
      }
    }
    await this.#running;
  }

  #kill(): void {
    // A process it has started may hold the pipe open, so the end of the output is not awaited.
    void this.#output.cancel().catch(() => {});
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // it has already ended
    }
  }
}
