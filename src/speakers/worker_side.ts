/** The worker's end of the protocol: runs speakers with the in-process host. A speaker's error fails that speaker only. */
import {
  AudioLedger,
  type Clock,
  type HostedSpeaker,
  type SourceReply,
  UnavailableError,
} from "../domain/mod.ts";
import { type InternalError, reportInternalError, Scope } from "../flow/mod.ts";
import { Forwarding } from "./forwarding.ts";
import { InProcessHost } from "./in_process_host.ts";
import { toPlainError } from "./plain_error.ts";
import { BEAT_MS, type FromWorker, type ToWorker, type WorkerSettings } from "./protocol.ts";

export interface WorkerSideOptions {
  post: (message: FromWorker) => void;
  clock: Clock;
  /** All is closed: the process can end. */
  onStopped: () => void;
}

export class WorkerSide {
  readonly #options: WorkerSideOptions;
  readonly #scope = new Scope("worker");
  readonly #ledger = new AudioLedger();
  readonly #forwarding: Forwarding;
  readonly #speakers = new Map<number, HostedSpeaker>();
  /** Drains in progress, by their call. */
  readonly #drains = new Map<number, AbortController>();
  #host: InProcessHost | undefined;
  #beats: Disposable | undefined;

  constructor(options: WorkerSideOptions) {
    this.#options = options;
    const { post, clock } = options;
    this.#forwarding = new Forwarding({
      post,
      ledger: this.#ledger,
      now: () => clock.now(),
      recognisers: () => this.#host?.recognisers ?? [],
    });
  }

  /** Reports that messages are taken from now on. */
  ready(): void {
    this.#options.post({ type: "ready", nowMs: this.#options.clock.now() });
  }

  /** Counts and logs an error of a callback. */
  survived(error: InternalError): void {
    this.#forwarding.meter.count("tiro_internal_errors_total", error.kind);
    this.#forwarding.log({ debug: false }).error("internal error", error, { process: "media" });
  }

  wroteToConsole(what: string): void {
    this.#forwarding.log({ debug: false }).warn("a library wrote to the console", { what, process: "media" });
  }

  /** Takes one message. Never throws: what the worker cannot recover from is reported as `broken`. */
  receive(message: ToWorker): void {
    try {
      this.#receive(message);
      this.#forwarding.handled();
    } catch (error) {
      this.broken(error);
    }
  }

  /** Reports that the worker cannot continue; it is ended. */
  broken(error: unknown): void {
    this.#options.post({ type: "broken", error: toPlainError(error) });
  }

  #receive(message: ToWorker): void {
    switch (message.type) {
      case "start":
        return this.#start(message.settings);
      case "open":
        return this.#open(message);
      case "send":
        return this.#use(message.id, (speaker) => speaker.send(message.message));
      case "language":
        return this.#use(message.id, (speaker) => speaker.setLanguage(message.languageId));
      case "words":
        return this.#use(message.id, (speaker) => speaker.setWords(message.words));
      case "request":
        return this.#reply(message.call, () => this.#speaker(message.id).request(message.request));
      case "drain":
        return this.#reply(message.call, async () => {
          const controller = new AbortController();
          this.#drains.set(message.call, controller);
          try {
            await this.#speaker(message.id).drain(controller.signal);
          } finally {
            this.#drains.delete(message.call);
          }
        });
      case "give_up":
        return this.#drains.get(message.call)?.abort();
      case "dispose":
        return this.#reply(message.call, async () => {
          const speaker = this.#speakers.get(message.id);
          this.#speakers.delete(message.id);
          await speaker?.[Symbol.asyncDispose]();
        });
      case "stop":
        return void this.#stop();
      default:
        throw new TypeError("Cannot handle a message: its type is unknown");
    }
  }

  #start(settings: WorkerSettings): void {
    const { clock } = this.#options;
    this.#host = new InProcessHost({
      settings,
      ledger: this.#ledger,
      scope: this.#scope,
      clock,
      log: this.#forwarding.log({ debug: settings.debugLog }),
      meter: this.#forwarding.meter,
    });
    this.#beat(clock.now());
  }

  #open({ id, options }: Extract<ToWorker, { type: "open" }>): void {
    const { post } = this.#options;
    try {
      if (!this.#host) throw new Error("Cannot open a speaker: the worker has not been started");
      const speaker = this.#host.open(options, {
        caption: (caption) => post({ type: "caption", id, caption }),
        receiving: () => post({ type: "receiving", id }),
        source: (event) => post({ type: "source", id, event }),
        trouble: (trouble) => post({ type: "trouble", id, trouble }),
        failed: (error) => post({ type: "failed", id, error: toPlainError(error) }),
      });
      this.#speakers.set(id, speaker);
      void speaker.closed.then((use) => use && post({ type: "used", id, use }));
    } catch (error) {
      post({ type: "failed", id, error: toPlainError(error) });
    }
  }

  /** An error fails this speaker, not the worker. */
  #use(id: number, what: (speaker: HostedSpeaker) => void): void {
    const speaker = this.#speakers.get(id);
    if (!speaker) return;
    try {
      what(speaker);
    } catch (error) {
      reportInternalError("speaker", error);
      this.#options.post({ type: "failed", id, error: toPlainError(error) });
    }
  }

  #speaker(id: number): HostedSpeaker {
    const speaker = this.#speakers.get(id);
    if (!speaker) {
      throw new UnavailableError("Cannot reach the speaker: their pipeline has ended", "draining");
    }
    return speaker;
  }

  /** Replies to a call with the result of the work, or its error. */
  #reply(call: number, work: () => Promise<SourceReply | void>): void {
    const { post } = this.#options;
    Promise.try(work).then(
      (reply) => post({ type: "done", call, ...reply && { reply } }),
      (error: unknown) => post({ type: "refused", call, error: toPlainError(error) }),
    );
  }

  #beat(dueMs: number): void {
    const { clock } = this.#options;
    const nowMs = clock.now();
    this.#forwarding.beat(Math.max(0, nowMs - dueMs));
    this.#beats = clock.timer(BEAT_MS, () => this.#beat(nowMs + BEAT_MS));
  }

  async #stop(): Promise<void> {
    try {
      await this.#scope[Symbol.asyncDispose]();
    } catch (error) {
      this.#forwarding.log({ debug: false }).error("worker not closed cleanly", error);
    }
    this.#beats?.[Symbol.dispose]();
    this.#forwarding.beat();
    this.#options.post({ type: "stopped" });
    this.#options.onStopped();
  }
}
