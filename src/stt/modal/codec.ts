/**
 * What the Kyutai server on Modal says, as SttEvents. Two shapes exist and a session may meet either:
 *
 *   deployed  `{type:"token", text}`, and perhaps one day `vad_end`, `ping`, `error {message}`
 *   design    `{text, final, vad_end}`
 *
 * A token is a whole word that will not change. The design's shape does not say whether `text` is the newest word or
 * the hypothesis so far, so both readings work:
 *
 *   - `final: false`: text that extends or revises the standing hypothesis replaces it, other text is appended to it;
 *     either way the whole hypothesis goes out as a `partial`.
 *   - `final: true`: the standing hypothesis, replaced or extended in the same manner, is settled. Without a standing
 *     hypothesis the text is a settled word and no more: a server that settles word by word does not end an
 *     utterance with each.
 *   - `vad_end: true`, with text or without: the speaker's turn is over, what stands is settled.
 *
 * Text "extends or revises" when it begins with the standing words (the last may grow: "for", "forty"), or begins as
 * they do and is about as long. Once a hypothesis of two words or more was seen to be extended, the server is known
 * to send whole hypotheses, and every text replaces. The one reading this gets wrong: a word-by-word server whose
 * utterance opens with the same word twice shows it once.
 *
 * Anything else is ignored and left to the caller to count. Never throws: a stranger on the wire must not end a call.
 *
 * Read by hand and not by zod: zod is 3 MB, and every media worker would hold it for five members.
 */
import { SttError, type SttEvent } from "../../domain/mod.ts";

export type ModalMessage =
  /**
   * Something for the captions; perhaps nothing, as for a message without text. `isBare`: only `text`, which servers of
   * other protocols (Vosk's) send too.
   */
  | { kind: "events"; events: readonly SttEvent[]; isBare?: true }
  /** The server is alive and has nothing to say. */
  | { kind: "ping" }
  /** The server gives up. */
  | { kind: "failed"; error: SttError }
  /** Not understood. */
  | { kind: "ignored" };

/** A message's members as they came: anything may be in them. */
type Unchecked = Partial<Record<"type" | "text" | "final" | "vad_end" | "message", unknown>>;

/** The design's shape, its missing members at their plain meaning. */
interface Plain {
  text: string;
  final: boolean;
  turnIsOver: boolean;
}

const IGNORED: ModalMessage = Object.freeze({ kind: "ignored" });
const PING: ModalMessage = Object.freeze({ kind: "ping" });
/** How the server says that every GPU channel is taken. The rest of its message stays unread: it may hold anything. */
const FULL = /no free channels|capacity|too many/i;

export class ModalDecoder {
  /** Words of the hypothesis since the last one settled. */
  #standing: string[] = [];
  #sendsWholeHypotheses = false;

  receive(data: string | Uint8Array): ModalMessage {
    if (typeof data !== "string") return IGNORED;
    const json = parseJson(data);
    if (typeof json !== "object" || json === null) return IGNORED;
    if ("type" in json) return this.#receiveTagged(json as Unchecked);
    if (!("text" in json || "vad_end" in json) || "partial" in json || "result" in json) return IGNORED; // Vosk's
    const { text = "", final = false, vad_end: turnIsOver = false } = json as Unchecked;
    if (typeof text !== "string" || typeof final !== "boolean" || typeof turnIsOver !== "boolean") {
      return IGNORED;
    }
    const events = this.#receivePlain({ text, final, turnIsOver });
    return "final" in json || "vad_end" in json
      ? { kind: "events", events }
      : { kind: "events", events, isBare: true };
  }

  #receiveTagged({ type, text, message = "" }: Unchecked): ModalMessage {
    switch (type) {
      case "token":
        if (typeof text !== "string") return IGNORED;
        return { kind: "events", events: text.trim() === "" ? [] : [{ type: "word", text }] };
      case "vad_end":
        return { kind: "events", events: [...this.#settle(), { type: "end_of_utterance" }] };
      case "ping":
        return PING;
      case "error":
        return typeof message === "string" ? { kind: "failed", error: serverError(message) } : IGNORED;
      default:
        return IGNORED;
    }
  }

  #receivePlain({ text, final, turnIsOver }: Plain): SttEvent[] {
    const events: SttEvent[] = [];
    const words = text.split(/\s+/).filter((word) => word !== "");
    if (final && this.#standing.length === 0 && words.length > 0) {
      events.push({ type: "word", text });
    } else {
      if (words.length > 0) this.#standing = this.#merge(words);
      if (final) events.push(...this.#settle());
      else if (words.length > 0) events.push({ type: "partial", text: this.#standing.join(" ") });
    }
    if (turnIsOver) events.push(...this.#settle(), { type: "end_of_utterance" });
    return events;
  }

  /** The hypothesis after `words` came: they replace the standing one, or follow it. */
  #merge(words: string[]): string[] {
    const standing = this.#standing;
    if (this.#sendsWholeHypotheses || standing.length === 0) return words;
    const same = standing.findIndex((word, at) => !sameWord(word, words[at]));
    const shared = same === -1 ? standing.length : same;
    const grows = shared === standing.length - 1 && words[shared]?.startsWith(standing[shared]);
    if (shared === standing.length || grows) {
      if (standing.length >= 2 && words.length > standing.length) this.#sendsWholeHypotheses = true;
      return words;
    }
    const revises = shared > 0 && words.length >= 2 && words.length >= standing.length - 1;
    return revises ? words : [...standing, ...words];
  }

  #settle(): SttEvent[] {
    if (this.#standing.length === 0) return [];
    const text = this.#standing.join(" ");
    this.#standing = [];
    return [{ type: "final", text }];
  }
}

/** A recogniser adds commas and capitals to words as it goes. */
function sameWord(a: string, b: string | undefined): boolean {
  return b !== undefined && plainWord(a) === plainWord(b);
}

function plainWord(word: string): string {
  return word.toLowerCase().replace(/[.,;:!?…]+$/, "");
}

function serverError(message: string): SttError {
  return FULL.test(message)
    ? new SttError("Cannot go on with STT session: the server is full", { code: "stt_full", retryable: true })
    : new SttError("Cannot go on with STT session: the server reported an error", {
      code: "stt_server",
      retryable: true,
    });
}

function parseJson(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    return undefined; // not JSON: ignored like everything not understood
  }
}
