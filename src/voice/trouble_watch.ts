/**
 * What keeps captions away during a session: reported to the client when it changes, and its end too. Trouble that lasts
 * ends the session; a cold start has as long as it takes.
 */
import type { Clock, SpeakerTrouble } from "../domain/mod.ts";
import type { VoiceCode } from "./codes.ts";
import type { ServerMessage } from "./schemas.ts";

export interface TroubleWatchOptions {
  clock: Clock;
  send: (status: Extract<ServerMessage, { type: "status" }>) => void;
  /** Whether no recogniser may serve: trouble of sessions is over only once somebody speaks and is recognised. */
  areRecognisersLost: () => boolean;
  /** It has lasted. */
  onLasting: (code: VoiceCode) => void;
}

/** Speech is buffered for 10 s, and a recogniser that is restarted takes some seconds more. */
const LASTS_MS = 30_000;
/** Before the first caption: this recogniser has not worked for this client. */
const LASTS_AT_FIRST_MS = 10_000;

/** Sent as `status`, with their messages; all of them pass, or the session ends. */
export const STATUS_MESSAGES: Readonly<Record<SpeakerTrouble | "captioning", string>> = {
  not_connected: "No audio arrives",
  no_media_worker: "No media worker is free; audio waits",
  recogniser_starting: "The recogniser is starting; captions come when it has",
  recogniser_unreachable: "The recogniser cannot be reached; it is tried again",
  recogniser_refused: "The recogniser refuses the service; its operator has to act",
  recogniser_full: "The recogniser captions as many people as it can; it is tried again",
  recogniser_foreign: "The recogniser speaks another protocol; the operator has to act",
  recogniser_failed: "The recogniser fails; it is tried again",
  captioning: "Audio is captioned again",
};

export class TroubleWatch implements Disposable {
  #trouble: SpeakerTrouble | undefined;
  #hasCaptions = false;
  #timer: Disposable | undefined;

  constructor(private readonly options: TroubleWatchOptions) {}

  /** Why captions are missing now: the code that a session ends with. */
  get code(): VoiceCode | undefined {
    return this.#trouble && codeOf(this.#trouble);
  }

  captioned(): void {
    this.#hasCaptions = true;
  }

  report(trouble: SpeakerTrouble | undefined): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    const code = trouble ?? "captioning";
    this.options.send({ type: "status", code, message: STATUS_MESSAGES[code] });
    if (trouble === undefined || trouble === "recogniser_starting") return this[Symbol.dispose]();
    this.#timer ??= this.options.clock.timer(this.#hasCaptions ? LASTS_MS : LASTS_AT_FIRST_MS, () => {
      this.#timer = undefined;
      this.#lasts();
    });
  }

  #lasts(): void {
    const { clock, areRecognisersLost, onLasting } = this.options;
    if (!this.code) return;
    if (this.code === "no_media_worker" || areRecognisersLost()) return onLasting(this.code);
    this.#timer = clock.timer(LASTS_AT_FIRST_MS, () => {
      this.#timer = undefined;
      this.#lasts();
    });
  }

  [Symbol.dispose](): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}

function codeOf(trouble: SpeakerTrouble): VoiceCode {
  return trouble === "recogniser_full" || trouble === "no_media_worker" ? trouble : "recogniser_unavailable";
}
