/**
 * Why a speaker's words cannot be recognised now, reported when it changes. A failure to open sessions is over once one is
 * open; a failure of open sessions once one recognises something.
 */
import { type Clock, codeOf, type SpeakerTrouble, TiroError } from "../domain/mod.ts";

/** A session takes half a second to open, longer if something has to start. */
const STARTING_AFTER_MS = 3_000;
/** Failed sessions in a row until it is reported. */
const FAILED_SESSIONS = 3;
/** Errors of opening that need another configuration. */
const REFUSED = new Set([
  "stt_unauthorized",
  "stt_unpaid",
  "stt_refused",
  "stt_not_installed",
  "stt_language",
]);

export class RecogniserTrouble implements Disposable {
  #trouble: SpeakerTrouble | undefined;
  #timer: Disposable | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly report: (trouble: SpeakerTrouble | undefined) => void,
    private readonly ended: () => void = () => {},
  ) {}

  opening(): void {
    this.#disarm();
    this.#timer = this.clock.timer(STARTING_AFTER_MS, () => {
      // A known cause is more specific.
      if (this.#trouble === undefined) this.#set("recogniser_starting");
    });
  }

  opened(): void {
    this.#disarm();
    if (this.#trouble === "recogniser_full") this.#set(undefined);
    this.available();
  }

  /** Another speaker's session opened, which shows nothing of a recogniser that is full. */
  available(): void {
    if (this.#trouble === "recogniser_full") return;
    if (this.#trouble !== "recogniser_foreign" && this.#trouble !== "recogniser_failed") this.#set(undefined);
  }

  notOpened(error: unknown): void {
    this.#disarm();
    const code = codeOf(error);
    if (code === "stt_full") this.#set("recogniser_full");
    else this.#set(REFUSED.has(code) ? "recogniser_refused" : "recogniser_unreachable");
  }

  /** `failures`: sessions in a row that recognised nothing. */
  lost(error: unknown, failures: number): void {
    if (error instanceof TiroError && error.code === "stt_foreign") this.#set("recogniser_foreign");
    else if (failures >= FAILED_SESSIONS) this.#set("recogniser_failed");
  }

  stalled(): void {
    this.#set("recogniser_failed");
  }

  /** A session of any speaker recognised something. */
  recognised(): void {
    if (this.#trouble !== "recogniser_full") this.#set(undefined);
  }

  [Symbol.dispose](): void {
    this.#disarm();
    this.ended();
  }

  #set(trouble: SpeakerTrouble | undefined): void {
    if (trouble === this.#trouble) return;
    this.#trouble = trouble;
    this.report(trouble);
  }

  #disarm(): void {
    this.#timer?.[Symbol.dispose]();
    this.#timer = undefined;
  }
}
