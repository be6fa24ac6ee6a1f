/**
 * One WebSocket of the door:
 *
 *     verifying --token is good--> waiting --start or audio--> live --stop, idle, client left--> ending --> ended
 *         '------------------- fault -----------------------------'-- fault: no more audio -------^
 *
 * In `ending` what was received is captioned, for a bounded time. An error with the reason precedes the close frame.
 */
import {
  Budget,
  codeOf,
  InvalidRequestError,
  type SessionAbout,
  type SpeakerTrouble,
  type TokenIdentity,
  type TokenVerifier,
  UnavailableError,
} from "../domain/mod.ts";
import { type Scope, untilAborted, withTimeout } from "../flow/mod.ts";
import type { ServerSocket, SocketEvents } from "../http/mod.ts";
import type { DoorParts, SpokenLanguages } from "../sessions/mod.ts";
import { AudioFeed } from "./audio_feed.ts";
import { Client } from "./client.ts";
import { CODES, isVoiceCode, type VoiceCode, VoiceFault, type VoiceOutcome } from "./codes.ts";
import { type ControlMessage, parseControl } from "./control.ts";
import { type AudioSource, DEFAULT_SOURCE, nameOf } from "./formats.ts";
import { loggedIds } from "./logged_ids.ts";
import { Microphone } from "./microphone.ts";
import type { SessionRates } from "./rates.ts";
import type { RecogniserGate } from "./recogniser_gate.ts";
import type { ServerMessage } from "./schemas.ts";
import { TroubleWatch } from "./trouble_watch.ts";

export type TranscriptLink = NonNullable<Extract<ServerMessage, { type: "ready" }>["transcript"]>;

export interface VoiceSessionOptions extends DoorParts {
  /** Random. */
  id: string;
  socket: ServerSocket;
  token: string | undefined;
  verifier: TokenVerifier;
  languages: Pick<SpokenLanguages, "defaultId" | "find" | "findChosen">;
  rates: SessionRates;
  gate: RecogniserGate;
  sessionsMax: number;
  /** Without audio. */
  idleMs: number;
  /** The transcript kept of a session, if there is one. */
  transcriptOf?: (about: SessionAbout) => TranscriptLink | undefined;
  onWanted?: () => void;
  /** The session's own: disposed by `onEnded`. */
  scope: Scope;
  onEnded: (outcome: VoiceOutcome, report: VoiceReport) => void;
}

/** What a session was, for the log. */
export interface VoiceReport {
  /** Absent before the token is verified. */
  identity?: TokenIdentity;
  /** Absent before `start`. */
  format?: string;
  /** Absent for a container, too. */
  audioMs?: number;
  finals: number;
  durationMs: number;
}

/** Fetching the issuer's keys takes one request or two. */
const VERIFY_MS = 5_000;
/** Messages that a socket delivers although it is paused. */
const EARLY_MAX = 64;
/** Text frames a second, and at once. */
const CONTROL_PER_S = 2;
const CONTROL_AT_ONCE = 20;

type State = "verifying" | "waiting" | "live" | "ending" | "ended";
type Data = string | Uint8Array<ArrayBuffer>;

export class VoiceSession implements SocketEvents {
  readonly #options: VoiceSessionOptions;
  readonly #client: Client;
  readonly #control = new Budget(CONTROL_PER_S, CONTROL_AT_ONCE);
  readonly #troubles: TroubleWatch;
  readonly #startedMs: number;
  #state: State = "verifying";
  #early: Data[] = [];
  #identity: TokenIdentity | undefined;
  #source: AudioSource | undefined;
  #microphone: Microphone | undefined;
  #feed: AudioFeed | undefined;
  #finals = 0;
  #idleTimer: Disposable | undefined;
  #audioAtMs = 0;
  /** Why it ends; undefined: the service shuts down. */
  #outcome: VoiceOutcome | undefined;
  #message: string | undefined;

  constructor(options: VoiceSessionOptions) {
    this.#options = options;
    const { socket, clock, scope } = options;
    this.#startedMs = clock.now();
    this.#client = new Client(socket, () => {
      this.#client.fail("not_reading"); // it gets no last words
      this.#end("not_reading");
    });
    this.#troubles = scope.use(
      new TroubleWatch({
        clock,
        send: (status) => this.#client.send(status),
        areRecognisersLost: () => options.gate.areLost,
        onLasting: (code) => {
          this.#client.fail(code); // there will be no last words
          this.#end(code);
        },
      }),
    );
    scope.defer(() => this.#idleTimer?.[Symbol.dispose]());
    socket.pause();
    scope.run((signal) => this.#verify(signal));
  }

  /** Whether it is captioned, last words included, until it has ended. */
  get isLive(): boolean {
    return this.#microphone !== undefined;
  }

  message(data: Data): void {
    if (this.#state === "verifying") {
      this.#early.push(data);
      if (this.#early.length > EARLY_MAX) this.#end("too_fast");
      return;
    }
    if (this.#state !== "waiting" && this.#state !== "live") return;
    try {
      if (typeof data === "string") this.#controlled(data);
      else this.#audio(data);
    } catch (error) {
      this.#fail(error);
    }
  }

  closed(): void {
    this.#client.left();
    this.#end("client_left");
  }

  /** The service shuts down. A session that is captioned is closed by `Sessions`. */
  drain(): void {
    if (this.#state === "verifying" || this.#state === "waiting") this.#end("draining");
  }

  /** Nextcloud has disabled the ExApp: nobody is captioned any more. */
  disable(): void {
    this.#end("disabled");
  }

  async #verify(signal: AbortSignal): Promise<void> {
    const { verifier, token, rates, clock, socket } = this.#options;
    try {
      const late = () => new VoiceFault("keys_unavailable");
      const identity = this.#identity = await withTimeout(
        { signal, timeoutMs: VERIFY_MS, late, clock },
        (signal) => untilAborted(Promise.try(() => verifier.verify(token)), signal),
      );
      if (!rates.take(JSON.stringify([identity.tenantId, identity.userId]), clock.now())) {
        throw new VoiceFault("rate_limited");
      }
      // Now, before the client asks its user to speak; and again with the first audio.
      this.#requireService(false);
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
      return;
    }
    if (this.#state !== "verifying") return;
    this.#state = "waiting";
    this.#options.onWanted?.();
    this.#audioAtMs = clock.now();
    this.#watchIdle();
    socket.resume();
    const early = this.#early;
    this.#early = [];
    for (const data of early) this.message(data);
  }

  /** Throws VoiceFault or UnavailableError. */
  #requireService(isStart: boolean): void {
    const { requireWork, gate, clock } = this.#options;
    requireWork();
    gate.check(clock.now(), isStart);
  }

  #controlled(text: string): void {
    if (!this.#control.spend(this.#options.clock.now())) {
      throw new VoiceFault("bad_message", "message: more than two text frames a second");
    }
    const message = parseControl(text);
    if (message.type === "stop") return this.#end("done");
    if (message.type === "language") return this.#changeLanguage(message.languageId);
    if (this.#state === "live") throw new VoiceFault("already_started");
    this.#start(message);
  }

  #audio(bytes: Uint8Array<ArrayBuffer>): void {
    if (this.#state === "waiting") {
      this.#start({ type: "start", source: DEFAULT_SOURCE, wantsTranscript: false });
    }
    this.#audioAtMs = this.#options.clock.now();
    this.#feed?.receive(bytes);
  }

  #start({ languageId, source, wantsTranscript }: Extract<ControlMessage, { type: "start" }>): void {
    const { id, languages, scope, socket, clock, log, transcriptOf } = this.#options;
    this.#requireService(true);
    const about: SessionAbout = {
      door: "voice",
      name: id,
      userId: this.#identity?.userId,
      tenantId: this.#identity?.tenantId,
      wantsTranscript,
    };
    const microphone = this.#microphone = new Microphone({
      ...this.#options,
      about,
      languageId: languageId === undefined ? languages.defaultId : languages.find(languageId),
      source,
      onCaption: (caption) => {
        if (caption.isNotice) return; // `status` reports it
        this.#troubles.captioned();
        this.#finals += Number(caption.final);
        this.#client.caption(caption);
      },
      onTrouble: (trouble: SpeakerTrouble | undefined) => this.#troubles.report(trouble),
      onLost: (code, error) => {
        log.error("voice session failed", error, { session: id });
        this.#end(code);
      },
      onLeft: (missing) => this.#goodbye(this.#last(missing)),
    });
    this.#source = source;
    this.#feed = new AudioFeed({
      source,
      socket,
      send: (bytes, timestampMs) => microphone.send(bytes, timestampMs),
      onFault: (code) => this.#end(code),
      scope,
      clock,
    });
    this.#state = "live";
    log.info("voice session connected", {
      session: id,
      ...loggedIds(this.#identity),
      format: nameOf(source),
      language: microphone.languageId,
    });
    const transcript = transcriptOf?.(about);
    this.#client.send({
      type: "ready",
      session: id,
      language: microphone.languageId,
      ...(transcript && { transcript }),
    });
  }

  #changeLanguage(wanted: string): void {
    if (!this.#microphone) throw new VoiceFault("bad_message", "type: send start before language");
    try {
      const language = this.#options.languages.findChosen(wanted);
      this.#microphone.setLanguage(language);
      this.#client.send({ type: "language", language });
    } catch (error) {
      const code = this.#codeFor(error);
      if (code !== "language_unsupported" && code !== "languages_unknown") throw error;
      this.#client.send({ type: "error", code, message: messageOf(error) ?? CODES[code].message });
    }
  }

  #watchIdle(): void {
    const { idleMs, clock } = this.#options;
    const leftMs = this.#audioAtMs + idleMs - clock.now();
    this.#idleTimer = clock.timer(Math.max(leftMs, 0), () => {
      // Audio that waits is audio: the socket may be paused.
      if (this.#feed?.isWaiting) this.#audioAtMs = clock.now();
      if (clock.now() - this.#audioAtMs >= idleMs) this.#end("idle");
      else this.#watchIdle();
    });
  }

  /** Ends with the code of an error, and its message where that is for clients. */
  #fail(error: unknown): void {
    const code = this.#codeFor(error);
    this.#end(code, messageOf(error));
  }

  #codeFor(error: unknown): VoiceCode {
    if (error instanceof InvalidRequestError && error.field === "languageId") return "language_unsupported";
    const code = codeOf(error);
    if (error instanceof UnavailableError && code === "busy") return "full";
    if (isVoiceCode(code)) return code;
    const { log, meter, id } = this.#options;
    meter.count("tiro_internal_errors_total", "voice");
    log.error("voice session failed", error, { session: id });
    return "failed";
  }

  #end(outcome: VoiceOutcome, message?: string): void {
    if (this.#state === "ending" || this.#state === "ended") return;
    this.#state = "ending";
    this.#outcome = outcome;
    this.#idleTimer?.[Symbol.dispose]();
    this.#early = [];
    const { scope } = this.#options;
    const [microphone, feed] = [this.#microphone, this.#feed];
    this.#message = message;
    if (!microphone || scope.signal.aborted) return this.#goodbye(outcome);
    scope.run(async (signal) => {
      if (feed) await untilAborted(feed.end(), signal).catch(() => {});
      await microphone.close();
    });
  }

  /** `done` only where nothing is missing. */
  #last(missing: VoiceCode | undefined): VoiceOutcome {
    const outcome = this.#outcome ?? "draining";
    if (outcome !== "done") return outcome;
    if (this.#feed?.isWaiting) return this.#options.sessions.isDraining ? "draining" : "failed";
    return missing === "recogniser_unavailable" ? this.#troubles.code ?? missing : missing ?? outcome;
  }

  #goodbye(outcome: VoiceOutcome): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    this.#idleTimer?.[Symbol.dispose]();
    const { clock, onEnded } = this.#options;
    const audioMs = this.#feed?.takenMs;
    if (outcome === "done") this.#client.done(audioMs);
    else if (outcome !== "client_left") this.#client.fail(outcome, this.#message);
    onEnded(outcome, {
      identity: this.#identity,
      format: this.#source && nameOf(this.#source),
      audioMs,
      finals: this.#finals,
      durationMs: Math.round(clock.now() - this.#startedMs),
    });
  }
}

/** Of a fault, or of a language: others may have been written for other readers. */
function messageOf(error: unknown): string | undefined {
  if (error instanceof VoiceFault) return error.message;
  if (error instanceof InvalidRequestError) return `language: ${error.message}`;
  return undefined;
}
