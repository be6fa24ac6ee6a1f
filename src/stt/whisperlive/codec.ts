/**
 * WhisperLive's protocol (collabora, whisper-live 0.10): the first message is the configuration, in JSON; the server says
 * SERVER_READY and gets float32 in binary messages, which every version takes. It transcribes the audio since the last
 * completed segment again and again, and sends after each time
 *
 *   segments   the last ten completed ones, and the standing one: {start, end, text, completed}, times in s as text
 *   status     WAIT: full, `message` is a guess of the minutes; ERROR: no model; WARNING: another backend than configured
 *   message    DISCONNECT: after `max_connection_time`, ten minutes by default; the server closes then
 *   language   what it detected
 *
 * A completed segment does not change, and is repeated in each message: those after the newest one known are new. The
 * standing segment may change, shrink and vanish; while none replaces it, it stays. It is completed when the server
 * repeats itself ten times, seconds later, and never by END_OF_AUDIO, which closes at once: so that is not sent. After the
 * end of the audio, a text that comes twice is the last one.
 *
 * Never throws.
 */
import { parseJson, type SttEvent, tidy } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { DONE, IGNORED, READY, type SttCodec, type SttMessage } from "../codec.ts";
import { cannotOpen, sessionFailed } from "../errors.ts";
import { fittingWords } from "../words.ts";

export interface WhisperLiveOptions {
  languageId: string;
  model: string;
  words?: readonly string[];
}

/** Members as received, of any type. */
type Members = Partial<
  Record<
    "uid" | "segments" | "status" | "message" | "language" | "start" | "end" | "text" | "completed",
    unknown
  >
>;

interface Segment {
  text: string;
  isCompleted: boolean;
  /** What is the same whenever it is repeated. */
  key: string;
  endMs: number | undefined;
}

const UNDERSTOOD: SttMessage = Object.freeze({ kind: "events", events: Object.freeze([]) });
/** Past any session; a larger number is no time. */
const TIME_MAX_S = 7 * 24 * 3_600;
/** Whisper takes 223 tokens of hot words. */
const HOTWORDS = { bytesMax: 450 };
/** After the end of the audio: results in a row that change nothing, for one may be older than the end. */
const UNCHANGED_RESULTS = 2;

export class WhisperLiveCodec implements SttCodec {
  readonly awaitsReady = true;
  readonly #options: WhisperLiveOptions;
  #isReady = false;
  /** The newest completed segment. */
  #completedKey: string | undefined;
  /** Where completed segments end. */
  #completedMs = 0;
  #standing = "";
  #hasFinished = false;
  #unchanged = 0;

  constructor(options: WhisperLiveOptions) {
    this.#options = options;
  }

  start(): readonly WebSocketMessage[] {
    const { languageId: language, model, words = [] } = this.#options;
    const hotwords = fittingWords(words, HOTWORDS).join(", ");
    return [JSON.stringify({
      uid: "tiro",
      language,
      task: "transcribe",
      model,
      use_vad: true,
      ...hotwords !== "" && { hotwords },
    })];
  }

  /** Float32 in the byte order of every machine Deno runs on, which is the server's. */
  encode(samples: Float32Array<ArrayBuffer>): WebSocketMessage {
    return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  }

  /** While a segment stands, the server repeats it. */
  get awaitsDone(): boolean {
    return this.#hasFinished && this.#standing !== "";
  }

  finish(): readonly WebSocketMessage[] {
    this.#hasFinished = true;
    return [];
  }

  closed(): readonly SttEvent[] {
    const isStanding = this.#standing !== "";
    this.#standing = "";
    return isStanding ? [{ type: "final", text: "" }] : [];
  }

  receive(data: WebSocketMessage): SttMessage {
    const json = typeof data === "string" ? parseJson(data) : undefined;
    if (!isObject(json) || typeof json.uid !== "string") return IGNORED;
    if (Array.isArray(json.segments)) return this.#receiveSegments(json.segments);
    if (typeof json.status === "string") return this.#receiveStatus(json.status);
    if (json.message === "SERVER_READY") {
      this.#isReady = true;
      return READY;
    }
    if (json.message === "DISCONNECT") return { kind: "events", events: this.closed() };
    return typeof json.language === "string" ? UNDERSTOOD : IGNORED;
  }

  #receiveStatus(status: string): SttMessage {
    switch (status) {
      case "WAIT":
        return { kind: "failed", error: this.#failed("the server is full", "stt_full") };
      case "ERROR":
        return { kind: "failed", error: this.#failed("the server cannot load the model", "stt_server") };
      case "WARNING":
        return UNDERSTOOD;
      default:
        return IGNORED;
    }
  }

  #failed(problem: string, code: string) {
    return this.#isReady ? sessionFailed(problem, code) : cannotOpen(problem, code, true);
  }

  #receiveSegments(list: readonly unknown[]): SttMessage {
    const segments = list.map((segment, at) => segmentOf(segment, at === list.length - 1));
    const read = segments.filter((segment) => segment !== undefined);
    if (read.length < segments.length) return IGNORED;
    const events: SttEvent[] = [];
    for (const { key, text, endMs } of this.#newlyCompleted(read)) {
      this.#completedKey = key;
      this.#completedMs = Math.max(this.#completedMs, endMs ?? 0);
      if (text === "") continue;
      // The text that stands is settled without repeating it: the server has repeated it for seconds, so it is no new word.
      events.push({ type: "final", text: text === this.#standing ? "" : text, ...endMs && { endMs } });
      this.#standing = "";
    }
    if (events.length > 0 && this.#completedMs > 0) {
      events.push({ type: "progress", processedMs: this.#completedMs });
    }
    const standing = read.at(-1);
    if (standing && !standing.isCompleted && standing.text !== "" && standing.text !== this.#standing) {
      this.#standing = standing.text;
      events.push({ type: "partial", text: standing.text, ...standing.endMs && { endMs: standing.endMs } });
    }
    this.#unchanged = this.#hasFinished && events.length === 0 ? this.#unchanged + 1 : 0;
    return this.#unchanged >= UNCHANGED_RESULTS ? DONE : { kind: "events", events };
  }

  /** The list is the end of one that only grows. Where the newest one known is not in it, the times decide. */
  #newlyCompleted(segments: readonly Segment[]): readonly Segment[] {
    const completed = segments.filter(({ isCompleted }) => isCompleted);
    const known = completed.findLastIndex(({ key }) => key === this.#completedKey);
    if (known >= 0) return completed.slice(known + 1);
    return completed.filter(({ endMs }) => endMs === undefined || endMs > this.#completedMs);
  }
}

/** Undefined for another form. Servers before 0.6 do not say which are completed: all but the last. */
function segmentOf(value: unknown, isLast: boolean): Segment | undefined {
  if (!isObject(value)) return undefined;
  const { start, end, text, completed = !isLast } = value;
  if (typeof text !== "string" || typeof completed !== "boolean") return undefined;
  const [startMs, endMs] = [timeOf(start), timeOf(end)];
  return { text: tidy(text), isCompleted: completed, key: `${startMs} ${endMs} ${text}`, endMs };
}

function timeOf(value: unknown): number | undefined {
  const seconds = typeof value === "string" || typeof value === "number" ? Number(value) : NaN;
  return seconds >= 0 && seconds <= TIME_MAX_S ? Math.round(1_000 * seconds) : undefined;
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
