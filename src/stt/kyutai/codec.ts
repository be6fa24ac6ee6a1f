/**
 * What the Kyutai server on Modal says, as SttEvents. Two shapes exist and a session may meet either:
 *
 *   deployed  `{type:"token", text}`, and perhaps one day `vad_end`, `ping`, `error {message}`
 *   design    `{text, final, vad_end}`
 *
 * A token will not change. It is a word, or a piece of one that brings its white space: `PieceJoiner` finds out, so
 * tokens go out as they came, white space alone too. The design's shape does not say whether `text` is the newest
 * piece or the hypothesis so far, so both readings work:
 *
 *   - `final: false`: text that extends or revises the standing hypothesis replaces it, other text is joined to it;
 *     either way the whole hypothesis goes out as a `partial`.
 *   - `final: true`: the standing hypothesis, replaced or extended in the same manner, is settled. Without a standing
 *     hypothesis the text is a settled word and no more: a server that settles word by word does not end an
 *     utterance with each.
 *   - `vad_end: true`, with text or without: the speaker's turn is over, what stands is settled.
 *
 * Text "extends or revises" when it begins with the standing words (the last may grow: "for", "forty"), or begins as
 * they do and is about as long. Once a hypothesis of two words or more was seen to be extended, the server is known
 * to send whole hypotheses, and every text replaces. Text that says again what the text before it said replaces too,
 * though what stands was joined of several. Where one word stands and the next begins as it does ("a", "and"), it is
 * taken for a revision until a text comes that can only be a piece; then both stand. The one reading this gets wrong:
 * a piece-by-piece server whose utterance opens with the same word twice shows it once.
 *
 * A hypothesis joined of pieces is settled at the length of the longest caption, whether the server ends the turn or not:
 * each message is compared with what stands.
 *
 * Anything else is ignored and left to the caller to count. Never throws: a stranger on the wire must not end a call.
 *
 * Read by hand and not by zod: zod is 3 MB, and every media worker would hold it for five members.
 */
import { LIMITS, parseJson, PieceJoiner, SttError, type SttEvent, tidy } from "../../domain/mod.ts";

export type KyutaiMessage =
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

const IGNORED: KyutaiMessage = Object.freeze({ kind: "ignored" });
const PING: KyutaiMessage = Object.freeze({ kind: "ping" });
/** How the server says that every GPU channel is taken. The rest of its message stays unread: it may hold anything. */
const FULL = /no free channels|capacity|too many/i;

/** What a recogniser adds to a word that it goes on from. */
const ENDING_MARKS = ".,;:!?…";

export class KyutaiDecoder {
  /** The hypothesis since the last one settled. */
  #standing = "";
  /** The hypothesis by the reading that every text is a piece of it. The languages of the server have spaces. */
  readonly #pieces = new PieceJoiner(" ");
  /** Whether the hypothesis is joined of several texts. */
  #isJoined = false;
  #newest = "";
  /** Two texts of one word came, of which the second begins as the first: a hypothesis that grew, or two pieces. */
  #mayBePieces = false;
  #sendsWholeHypotheses = false;

  receive(data: string | Uint8Array): KyutaiMessage {
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

  #receiveTagged({ type, text, message = "" }: Unchecked): KyutaiMessage {
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

  #receivePlain({ text, final, turnIsOver }: Plain): SttEvent[] {
    const events: SttEvent[] = [];
    if (final && this.#standing === "" && text !== "") {
      events.push({ type: "word", text });
    } else {
      if (text !== "") this.#merge(text);
      if (final || this.#isLong) events.push(...this.#settle());
      else if (text.trim() !== "") events.push({ type: "partial", text: this.#standing });
    }
    if (turnIsOver) events.push(...this.#settle(), { type: "end_of_utterance" });
    return events;
  }

  /** The hypothesis after `text` came: it replaces the standing one, or is joined to it. */
  #merge(text: string): void {
    const words = wordsOf(text);
    const standing = wordsOf(this.#standing);
    this.#pieces.add(text);
    if (words.length === 0) return;
    const replaces = standing.length === 0 || this.#sendsWholeHypotheses || replacesWords(standing, words) ||
      saysAgain(wordsOf(this.#newest), words);
    this.#newest = text;
    this.#isJoined = !replaces;
    if (!replaces) {
      this.#standing = this.#pieces.text;
      return;
    }
    if (standing.length >= 2 && words.length > standing.length) this.#sendsWholeHypotheses = true;
    this.#standing = tidy(text);
    const mayBePiece = words.length === 1 && !this.#mayBePieces && !sameWord(standing[0] ?? "", words[0]);
    this.#mayBePieces = mayBePiece && standing.length === 1;
    if (!mayBePiece) this.#pieces.restart(this.#standing);
  }

  /** Whether pieces have been joined for as long as a caption may be. Whole hypotheses are as long as their messages. */
  get #isLong(): boolean {
    return this.#pieces.length >= LIMITS.utteranceChars && (this.#isJoined || this.#standing === "");
  }

  #settle(): SttEvent[] {
    const text = this.#standing;
    this.#standing = this.#newest = "";
    this.#mayBePieces = this.#isJoined = false;
    this.#pieces.restart();
    return text === "" ? [] : [{ type: "final", text }];
  }
}

function wordsOf(text: string): string[] {
  return text.split(/\s+/).filter((word) => word !== "");
}

/** `words` begin with all the words that stand, of which the last may have grown, or revise some of them. */
function replacesWords(standing: readonly string[], words: readonly string[]): boolean {
  const shared = sharedWords(standing, words);
  const grows = shared === standing.length - 1 && words[shared]?.startsWith(standing[shared]);
  if (shared === standing.length || grows) return true;
  return shared > 0 && words.length >= 2 && words.length >= standing.length - 1;
}

/** `words` say all of the newest text once more, and perhaps go on: no piece does. */
function saysAgain(newest: readonly string[], words: readonly string[]): boolean {
  return newest.length > 0 && words.length > 1 && sharedWords(newest, words) === newest.length;
}

function sharedWords(standing: readonly string[], words: readonly string[]): number {
  const different = standing.findIndex((word, at) => !sameWord(word, words[at]));
  return different === -1 ? standing.length : different;
}

/** A recogniser adds commas and capitals to words as it goes. */
function sameWord(a: string, b: string | undefined): boolean {
  return b !== undefined && plainWord(a) === plainWord(b);
}

/** Looks from the end: a pattern would begin anew at each mark, which takes seconds where a word is 64 KB of commas. */
function plainWord(word: string): string {
  let end = word.length;
  while (end > 0 && ENDING_MARKS.includes(word[end - 1])) end--;
  return word.slice(0, end).toLowerCase();
}

function serverError(message: string): SttError {
  return FULL.test(message)
    ? new SttError("Cannot go on with STT session: the server is full", { code: "stt_full", retryable: true })
    : new SttError("Cannot go on with STT session: the server reported an error", {
      code: "stt_server",
      retryable: true,
    });
}
