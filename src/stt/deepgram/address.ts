/**
 * The address of a Deepgram session: its query is the session's configuration. Parameters in the operator's URL have
 * precedence, except those that the codec depends on.
 *
 * Words to expect are part of the query, as the protocol has them nowhere else that every server takes: the server's log
 * may have them. They are `keyterm` for Nova-3, phrases of at most 500 tokens together, and `keywords` for its
 * predecessors, single words of which at most 100. WhisperLiveKit ignores both.
 */
import type { SttOptions } from "../../domain/mod.ts";
import { fittingWords } from "../words.ts";

export interface DeepgramAddress {
  /** wss://..., with or without a path and a query. */
  url: string;
  model?: string;
}

const LISTEN_PATH = "/v1/listen";
export const DEEPGRAM_SAMPLE_RATE_HZ = 16_000;

/** The codec's audio and messages. WhisperLiveKit takes this format only. */
const REQUIRED = {
  encoding: "linear16",
  sample_rate: String(DEEPGRAM_SAMPLE_RATE_HZ),
  channels: "1",
  interim_results: "true",
};

/**
 * A pause of 300 ms ends an utterance, as Deepgram recommends for conversations; `utterance_end_ms` takes 1 to 5 s.
 * Punctuation only: `smart_format` holds a number back until the next words or 3 s of silence.
 */
const DEFAULTS = { punctuate: "true", endpointing: "300", utterance_end_ms: "1000" };

/** Deepgram's limits are 500 tokens of key terms, and 100 keywords. */
const TERMS = { bytesMax: 1_000, countMax: 100 };

export function listenUrl(
  { url, model }: DeepgramAddress,
  { languageId, words = [] }: Pick<SttOptions, "languageId" | "words">,
): string {
  const address = new URL(url);
  if (address.pathname === "/") address.pathname = LISTEN_PATH;
  const query = address.searchParams;
  for (const [name, value] of Object.entries(DEFAULTS)) if (!query.has(name)) query.set(name, value);
  for (const [name, value] of Object.entries(REQUIRED)) query.set(name, value);
  query.set("language", languageId);
  if (model !== undefined) query.set("model", model);
  const takesKeyterms = isNova3(query.get("model") ?? "nova-3");
  const terms = fittingWords(takesKeyterms ? words : words.flatMap(keywordsOf), TERMS);
  for (const term of terms) query.append(takesKeyterms ? "keyterm" : "keywords", term);
  return address.href;
}

export function isNova3(model: string): boolean {
  return /^nova-3\b/.test(model);
}

/** A keyword has no spaces, and a colon would begin its weight. */
function keywordsOf(term: string): string[] {
  return term.split(/[\s:]+/);
}
