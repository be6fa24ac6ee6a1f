/**
 * The service's end of one media worker: its speakers, the calls without a reply, its health, and what it counted.
 *
 *     starting --first beat--> serving --stop()--> stopping --> ended
 *         '------ broken, stuck, silent -----'-----------------^  it is killed; its speakers fail, their owners open others
 */
import {
  AUDIO_ENTRIES,
  AudioLedger,
  type HostedSpeaker,
  LEDGER_ENTRIES,
  LIMITS,
  type RecogniserStatus,
  type SourceKind,
  type SourceReply,
  type SpeakerEvents,
  type SpeakerOptions,
} from "../domain/mod.ts";
import { guarded } from "../flow/mod.ts";
import type { HostOptions } from "./in_process_host.ts";
import { fromPlainError, WorkerError } from "./plain_error.ts";
import type { Beat, FromWorker, LogLine, ToWorker } from "./protocol.ts";
import { RemoteSpeaker } from "./remote_speaker.ts";

export interface WorkerProcess {
  send(message: ToWorker): void;
  /** Kills it at once. Resolves when it has ended. Never rejects. */
  end(): Promise<void>;
}

/** Starts a worker; `broken` reports that it ended, or did not start. */
export type SpawnWorker = (on: {
  message: (message: FromWorker) => void;
  broken: (error: unknown) => void;
}) => WorkerProcess;

export interface WorkerLinkOptions extends Omit<HostOptions, "scope"> {
  spawn: SpawnWorker;
  /** Called once, when the worker is lost; not after `stop`. Its speakers fail right afterwards. */
  onLost: (reason: WorkerLoss, error: Error) => void;
}

/** It ended or reported that it cannot continue; stopped responding; took more memory than it has a use for. */
export type WorkerLoss = "broken" | "stuck" | "memory";

/** Interval of the checks for messages. Checks are counted, not time: the service itself may have been suspended. */
const CHECK_MS = 500;
/** Checks in a row without a message; at the next one, 4.5 to 5 s after the last message, the worker is stuck. */
const SILENT_CHECKS_MAX = 9;
/** From its creation to its first beat. Loading the modules takes seconds on a busy machine: 30 s. */
const STARTING_CHECKS_MAX = 60;
/** Messages sent and not handled: no call sends so many in the seconds until a stuck worker is ended. */
const UNHANDLED_MAX = 25_000;
/** For closing connections and sessions; then it is killed. Within what closing the service may take. */
const STOP_MS = 1_000;
/** Of a worker's heap: most of it dies young, and what survives is some 0.13 MB a speaker, 70 MB at most. */
const HEAP_BYTES_MAX = 256 * 1024 * 1024;

/** So that a scrape every 15 or 30 s sees the lag. */
const LAG_WINDOW_MS = 30_000;

/** A setting of a speaker, of which only the newest counts. */
type SpeakerSetting = Extract<ToWorker, { type: "language" | "words" }>;

const keyOf = ({ type, id }: Pick<SpeakerSetting, "type" | "id">) => `${type} ${id}`;

interface PendingCall {
  resolve(reply: SourceReply): void;
  reject(error: unknown): void;
}

export class WorkerLink {
  readonly #options: WorkerLinkOptions;
  readonly #process: WorkerProcess;
  readonly #ready = Promise.withResolvers<void>();
  /** Resolves once it accepts speakers; rejects with WorkerError when it is lost before. */
  readonly ready = this.#ready.promise;
  readonly #speakers = new Map<number, RemoteSpeaker>();
  readonly #calls = new Map<number, PendingCall>();
  /** Settings sent since the last beat, by speaker and kind, each with a newer one to send at the next. */
  readonly #settings = new Map<string, SpeakerSetting | undefined>();
  #state: "starting" | "serving" | "stopping" | "ended" = "starting";
  /** Ids of speakers and calls alike. */
  #lastId = 0;
  #sent = 0;
  #silentChecks = 0;
  #check: Disposable;
  /** The service's clock minus the worker's: the least ever seen, because messages only take time. */
  #clockOffsetMs = Infinity;
  #lastBeat: Beat | undefined;
  /** What it reported so far. */
  readonly #ledger: AudioLedger;
  #stopped?: PromiseWithResolvers<void>;
  /** The latest beat of this half minute and of the one before, ms. */
  #late = { worstMs: 0, beforeMs: 0, sinceMs: 0 };

  constructor(options: WorkerLinkOptions) {
    this.#options = options;
    this.#ledger = new AudioLedger(options.ledger);
    this.ready.catch(() => {}); // reported to whoever awaits it
    this.#process = options.spawn({
      message: (message) => this.#receive(message),
      broken: (error) => this.#lose("broken", "it broke", error),
    });
    this.#check = options.clock.timer(CHECK_MS, () => this.#checkAlive());
  }

  get isServing(): boolean {
    return this.#state === "serving";
  }

  /** Longest delay of its event loop in the last half minute to minute, ms. */
  get lagMs(): number {
    return Math.max(this.#late.worstMs, this.#late.beforeMs);
  }

  /** Whether it has descriptors for one more speaker, and for those whose sockets are not open yet. */
  get hasDescriptors(): boolean {
    const use = this.#lastBeat?.descriptors;
    return !use || use.limit - use.open >= LIMITS.descriptorsPerSpeaker * LIMITS.joinsAtOnce;
  }

  /** Resident memory when it last reported, bytes. */
  get residentBytes(): number {
    return this.#lastBeat?.residentBytes ?? 0;
  }

  /** When it last reported. */
  get recognisers(): readonly RecogniserStatus[] {
    return this.#lastBeat?.recognisers ?? [];
  }

  /** Speakers, those being closed included. */
  get load(): number {
    return this.#speakers.size;
  }

  /** Only while serving. */
  open<Kind extends SourceKind>(
    options: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    const id = ++this.#lastId;
    const remote = new RemoteSpeaker(this, id, events);
    this.#speakers.set(id, remote);
    this.send({ type: "open", id, options });
    return remote;
  }

  send(message: ToWorker): void {
    if (this.#state === "serving" || this.#state === "stopping") this.#post(message);
  }

  /** Sends a message that has a reply. Rejects with the worker's error, or WorkerError when the worker has ended. */
  call<Kind extends SourceKind>(
    message: (call: number) => ToWorker,
  ): { number: number; reply: Promise<SourceReply<Kind>> } {
    const number = ++this.#lastId;
    const reply = Promise.withResolvers<SourceReply<Kind>>();
    if (this.#state === "ended") reply.reject(lost("it has ended"));
    else this.#calls.set(number, reply);
    this.send(message(number));
    return { number, reply: reply.promise };
  }

  /** Sends one message of a kind, speaker and beat at most: the newest counts. */
  sendNewest(setting: SpeakerSetting): void {
    const key = keyOf(setting);
    if (this.#settings.has(key)) return void this.#settings.set(key, setting);
    this.#settings.set(key, undefined);
    this.send(setting);
  }

  forget(id: number): void {
    for (const type of ["language", "words"] as const) this.#settings.delete(keyOf({ type, id }));
    this.#speakers.delete(id);
  }

  /** Closes its speakers without further events, and ends it. Resolves when it has ended, soon after a second. Never rejects. */
  async stop(): Promise<void> {
    if (this.#state === "ended") return await this.#process.end();
    for (const speaker of this.#speakers.values()) speaker.events = undefined;
    if (this.#state === "serving") {
      this.#state = "stopping";
      const stopped = this.#stopped = Promise.withResolvers();
      using _timer = this.#options.clock.timer(STOP_MS, () => stopped.resolve());
      this.#post({ type: "stop" });
      await stopped.promise;
    }
    const error = lost("the service is closing");
    for (const call of this.#end(error)) call.reject(error);
    await this.#process.end();
  }

  #post(message: ToWorker): void {
    this.#sent++;
    this.#process.send(message);
  }

  #receive(message: FromWorker): void {
    if (this.#state === "ended") return;
    if (this.#state !== "starting") this.#silentChecks = 0;
    switch (message.type) {
      case "ready":
        this.#synchronise(message.nowMs);
        return this.#post({ type: "start", settings: this.#options.settings });
      case "beat":
        if (this.#state === "starting") this.#started();
        return this.#count(message);
      case "log":
        return this.#log(message);
      case "caption": {
        const receivedAtMs = message.caption.receivedAtMs + this.#clockOffsetMs;
        return this.#speakers.get(message.id)?.events?.caption({ ...message.caption, receivedAtMs });
      }
      case "receiving":
        return this.#speakers.get(message.id)?.events?.receiving();
      case "source":
        return this.#speakers.get(message.id)?.events?.source(message.event);
      case "trouble":
        return this.#speakers.get(message.id)?.events?.trouble(message.trouble);
      case "failed":
        return this.#speakers.get(message.id)?.events?.failed(fromPlainError(message.error));
      case "used":
        return this.#speakers.get(message.id)?.used(message.use);
      case "done":
        return this.#take(message.call)?.resolve(message.reply);
      case "refused":
        return this.#take(message.call)?.reject(fromPlainError(message.error));
      case "broken":
        return this.#lose("broken", "it broke", fromPlainError(message.error));
      case "stopped":
        return this.#stopped?.resolve();
    }
  }

  /** It has started with its settings. */
  #started(): void {
    this.#state = "serving";
    this.#silentChecks = 0;
    this.#ready.resolve();
  }

  #take(call: number): PendingCall | undefined {
    const waiting = this.#calls.get(call);
    this.#calls.delete(call);
    return waiting;
  }

  #synchronise(nowMs: number): void {
    this.#clockOffsetMs = Math.min(this.#clockOffsetMs, this.#options.clock.now() - nowMs);
  }

  #count(beat: Beat): void {
    const { nowMs, lateMs, handled, heapBytes, ledger, counts, observations } = beat;
    const { meter } = this.#options;
    this.#synchronise(nowMs);
    const { worstMs, sinceMs } = this.#late;
    if (nowMs - sinceMs >= LAG_WINDOW_MS) this.#late = { worstMs: lateMs, beforeMs: worstMs, sinceMs: nowMs };
    else this.#late.worstMs = Math.max(worstMs, lateMs);
    for (const entry of [...LEDGER_ENTRIES, ...AUDIO_ENTRIES]) {
      const more = ledger[entry] - this.#ledger[entry];
      if (more > 0) this.#ledger.add(entry, more);
    }
    this.#lastBeat = beat;
    for (const { name, label, by } of counts) meter.count(name, label, by);
    for (const [name, value] of observations) meter.observe(name, value);
    this.#sendSettings();
    if (this.#sent - handled > UNHANDLED_MAX) return this.#lose("stuck", "it does not keep up");
    if (heapBytes > HEAP_BYTES_MAX) this.#lose("memory", "its memory grows");
  }

  #sendSettings(): void {
    const waiting = [...this.#settings.values()];
    this.#settings.clear();
    for (const setting of waiting) {
      if (setting !== undefined) this.sendNewest(setting);
    }
  }

  #log({ level, message, fields, error }: LogLine): void {
    const { log } = this.#options;
    if (level === "error") log.error(message, error && fromPlainError(error), fields);
    else log[level](message, fields);
  }

  #checkAlive(): void {
    const most = this.#state === "starting" ? STARTING_CHECKS_MAX : SILENT_CHECKS_MAX;
    if (++this.#silentChecks > most) this.#lose("stuck", "it does not respond");
    else this.#check = this.#options.clock.timer(CHECK_MS, () => this.#checkAlive());
  }

  #lose(reason: WorkerLoss, why: string, cause?: unknown): void {
    if (this.#state === "ended") return;
    if (this.#stopped) return this.#stopped.resolve();
    const error = lost(why, cause);
    const speakers = [...this.#speakers.values()];
    const calls = this.#end(error);
    void this.#process.end(); // never rejects; `stop` waits for it
    guarded("speaker", () => this.#options.onLost(reason, error))();
    // Speakers fail before their calls are rejected, so that nobody calls this worker again.
    for (const speaker of speakers) guarded("speaker", () => speaker.events?.failed(error))();
    for (const call of calls) call.reject(error);
  }

  /** Returns the calls that have no reply, for the caller to reject. */
  #end(error: Error): PendingCall[] {
    this.#state = "ended";
    this.#ledger.cut();
    this.#check[Symbol.dispose]();
    this.#ready.reject(error);
    this.#speakers.clear();
    this.#settings.clear();
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    return calls;
  }
}

function lost(why: string, cause?: unknown): WorkerError {
  return new WorkerError(`Cannot use a media worker: ${why}`, {
    code: "worker_lost",
    retryable: true,
    cause,
  });
}
