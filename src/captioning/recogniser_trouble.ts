/**
 * Why a speaker's words cannot be recognised now, reported when it changes. What keeps a session from being opened is
 * over once one is open; what is wrong with sessions is over once one recognises something, since those open well.
 */
import { type Clock, type SpeakerTrouble, TiroError } from "../domain/mod.ts";

/** A session takes half a second to open; one that takes this long waits for something to start. */
const STARTING_AFTER_MS = 3_000;
/** So many sessions in a row that ended badly are no accident. */
const FAILED_SESSIONS = 3;
/** Errors of opening that say: not with this configuration. */
const REFUSED = new Set(["stt_unauthorized", "stt_not_installed", "stt_language"]);

export class RecogniserTrouble implements Disposable {
  #trouble: SpeakerTrouble | undefined;
  #timer: Disposable | undefined;

  constructor(
    private readonly clock: Clock,
    private readonly report: (trouble: SpeakerTrouble | undefined) => void,
    private readonly ended: () => void = () => {},
  ) {}

  get current(): SpeakerTrouble | undefined {
    return this.#trouble;
  }

  /** A session is being opened. */
  opening(): void {
    this.#disarm();
    this.#timer = this.clock.timer(STARTING_AFTER_MS, () => {
      // What is known to be wrong says more, until it is known to be over.
      if (this.#trouble === undefined) this.#set("recogniser_starting");
    });
  }

  /** A session is open. */
  opened(): void {
    this.#disarm();
    this.available();
  }

  /** Sessions can be opened, as somebody else found. */
  available(): void {
    if (this.#trouble !== "recogniser_foreign" && this.#trouble !== "recogniser_failed") this.#set(undefined);
  }

  notOpened(error: unknown): void {
    this.#disarm();
    const isRefused = error instanceof TiroError && REFUSED.has(error.code);
    this.#set(isRefused ? "recogniser_refused" : "recogniser_unreachable");
  }

  /** A session failed; so many did in a row without recognising anything. */
  lost(error: unknown, failures: number): void {
    if (error instanceof TiroError && error.code === "stt_foreign") this.#set("recogniser_foreign");
    else if (failures >= FAILED_SESSIONS) this.#set("recogniser_failed");
  }

  /** The session takes no audio. */
  stalled(): void {
    this.#set("recogniser_failed");
  }

  /** A session recognised something, this speaker's or another's. */
  recognised(): void {
    this.#set(undefined);
  }

  /** Reports nothing any more. */
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
