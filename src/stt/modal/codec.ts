/**
 * The protocol of the Kyutai server on Modal: float32 audio, and messages as SttEvents. Two formats exist, and a session may
 * receive either:
 *
 *   deployed  `{type:"token", text}`, `vad_end`, `ping`, `error {message}`
 *   design    `{text, final, vad_end}`
 *
 * A token will not change. It is a word, or a piece of one with its white space (see PieceJoiner), so it is passed on
 * unchanged, white space alone too. The design does not say whether `text` is the newest piece or the hypothesis so far,
 * so both readings work:
 *
 *   - `final: false`: text that extends or revises the hypothesis replaces it, other text is joined to it; the whole
 *     hypothesis is sent as a `partial`.
 *   - `final: true`: the hypothesis, replaced or extended in the same way, is settled. Without a hypothesis the text is a
 *     settled word only: a server that settles word by word does not end an utterance with each.
 *   - `vad_end: true`, with or without text: end of utterance; the hypothesis is settled.
 *
 * Text "extends or revises" when it begins with the words of the hypothesis (the last may grow: "for", "forty"), or begins
 * with some of them and is about as long. Once a hypothesis of two words or more was extended, the server is known to send
 * whole hypotheses, and every text replaces. Text that repeats the text before it replaces too, even a joined hypothesis.
 * Where the hypothesis is one word and the next text begins with it ("a", "and"), that is a revision until a text arrives
 * that can only be a piece; then both are kept. One case is read wrongly: of a server that sends pieces, an utterance that
 * begins with the same word twice shows it once.
 *
 * A hypothesis joined of pieces is settled at the length of the longest caption even without `vad_end`, since each message
 * is compared with it.
 *
 * Anything else is ignored, for the caller to count. Never throws. Not zod: it is 3 MB in every media worker, for five
 * members.
 */
import { LIMITS, parseJson, PieceJoiner, type SttError, type SttEvent, tidy } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { IGNORED, PING, type SttCodec, type SttMessage } from "../codec.ts";
import { sessionFailed } from "../errors.ts";

/** Members as received, of any type. */
type Unchecked = Partial<Record<"type" | "text" | "final" | "vad_end" | "message", unknown>>;

/** The design's message with its defaults. */
interface Plain {
  text: string;
  final: boolean;
  vadEnd: boolean;
}

/** The server's message when every GPU channel is taken. The rest is not used: it may contain anything. */
const FULL = /no free channels|capacity|too many/i;

/** Added to a word when the next one is recognised. */
const ENDING_MARKS = ".,;:!?…";

export class ModalCodec implements SttCodec {
  #hypothesis = "";
  /** The hypothesis if every text is a piece of it. All languages of the server have spaces. */
  readonly #pieces = new PieceJoiner(" ");
  #isJoined = false;
  #newest = "";
  /** The last two texts were one word each, the second beginning with the first: a revision, or two pieces. */
  #mayBePieces = false;
  #sendsWholeHypotheses = false;

  /** Float32 in the byte order of every machine Deno runs on, which is the server's. */
  encode(samples: Float32Array<ArrayBuffer>): WebSocketMessage {
    return new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  }

  receive(data: WebSocketMessage): SttMessage {
    if (typeof data !== "string") return IGNORED;
    const json = parseJson(data);
    if (typeof json !== "object" || json === null) return IGNORED;
    if ("type" in json) return this.#receiveTagged(json as Unchecked);
    if (!("text" in json || "vad_end" in json) || "partial" in json || "result" in json) return IGNORED; // Vosk's
    const { text = "", final = false, vad_end: vadEnd = false } = json as Unchecked;
    if (typeof text !== "string" || typeof final !== "boolean" || typeof vadEnd !== "boolean") {
      return IGNORED;
    }
    const events = this.#receivePlain({ text, final, vadEnd });
    return "final" in json || "vad_end" in json
      ? { kind: "events", events }
      : { kind: "events", events, isBare: true };
  }

  #receiveTagged({ type, text, message = "" }: Unchecked): SttMessage {
    switch (type) {
      case "token":
        if (typeof text !== "string") return IGNORED;
        return { kind: "events", events: text === "" ? [] : [{ type: "word", text }] };
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

  #receivePlain({ text, final, vadEnd }: Plain): SttEvent[] {
    const events: SttEvent[] = [];
    if (final && this.#hypothesis === "" && text !== "") {
      events.push({ type: "word", text });
    } else {
      if (text !== "") this.#merge(text);
      if (final || this.#isLong) events.push(...this.#settle());
      else if (text.trim() !== "") events.push({ type: "partial", text: this.#hypothesis });
    }
    if (vadEnd) events.push(...this.#settle(), { type: "end_of_utterance" });
    return events;
  }

  /** Replaces the hypothesis, or joins the text to it. */
  #merge(text: string): void {
    const words = wordsOf(text);
    const current = wordsOf(this.#hypothesis);
    this.#pieces.add(text);
    if (words.length === 0) return;
    const replaces = current.length === 0 || this.#sendsWholeHypotheses || replacesWords(current, words) ||
      repeats(wordsOf(this.#newest), words);
    this.#newest = text;
    this.#isJoined = !replaces;
    if (!replaces) {
      this.#hypothesis = this.#pieces.text;
      return;
    }
    if (current.length >= 2 && words.length > current.length) this.#sendsWholeHypotheses = true;
    this.#hypothesis = tidy(text);
    const mayBePiece = words.length === 1 && !this.#mayBePieces && !sameWord(current[0] ?? "", words[0]);
    this.#mayBePieces = mayBePiece && current.length === 1;
    if (!mayBePiece) this.#pieces.restart(this.#hypothesis);
  }

  /** Whether joined pieces are as long as the longest caption. */
  get #isLong(): boolean {
    return this.#pieces.length >= LIMITS.utteranceChars && (this.#isJoined || this.#hypothesis === "");
  }

  #settle(): SttEvent[] {
    const text = this.#hypothesis;
    this.#hypothesis = this.#newest = "";
    this.#mayBePieces = this.#isJoined = false;
    this.#pieces.restart();
    return text === "" ? [] : [{ type: "final", text }];
  }
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** Whether `words` begin with all current words, the last of which may have grown, or revise some of them. */
function replacesWords(current: readonly string[], words: readonly string[]): boolean {
  const shared = sharedWords(current, words);
  const grows = shared === current.length - 1 && words[shared]?.startsWith(current[shared]);
  if (shared === current.length || grows) return true;
  return shared > 0 && words.length >= 2 && words.length >= current.length - 1;
}

/** Whether `words` begin with the whole newest text: no piece does. */
function repeats(newest: readonly string[], words: readonly string[]): boolean {
  return newest.length > 0 && words.length > 1 && sharedWords(newest, words) === newest.length;
}

function sharedWords(current: readonly string[], words: readonly string[]): number {
  const different = current.findIndex((word, at) => !sameWord(word, words[at]));
  return different === -1 ? current.length : different;
}

/** Revisions add commas and capitals. */
function sameWord(a: string, b: string | undefined): boolean {
  return b !== undefined && plainWord(a) === plainWord(b);
}

/** Not a pattern: it would restart at each mark, which takes seconds for a word of 64 KB of commas. */
function plainWord(word: string): string {
  let end = word.length;
  while (end > 0 && ENDING_MARKS.includes(word[end - 1])) end--;
  return word.slice(0, end).toLowerCase();
}

function serverError(message: string): SttError {
  return FULL.test(message)
    ? sessionFailed("the server is full", "stt_full")
    : sessionFailed("the server reported an error", "stt_server");
}
