/** LibreTranslate (https://docs.libretranslate.com/api/): POST /translate, GET /languages. Ids are the server's own. */
import { z } from "zod";
import { languageOf, type TranslationError, type Translator } from "../../domain/mod.ts";
import type { TlsOptions } from "../../flow/mod.ts";
import { statusError, textTooLong } from "../errors.ts";
import { callJson } from "../http_json.ts";
import { listOf, texts } from "../lists.ts";

export interface LibreTranslateSettings {
  /** http(s)://... */
  url: string;
  apiKey?: string;
  tls?: TlsOptions;
}

/** `targets` is missing on servers before 1.3.12, which translate any pair of their list. */
const Languages = listOf(z.object({ code: z.string(), name: z.string(), targets: texts.optional() }));
const Translation = z.object({ translatedText: z.string() });

export function libreTranslateTranslator({ url, apiKey, tls }: LibreTranslateSettings): Translator {
  const base = url.replace(/\/+$/, "");
  return {
    name: "libretranslate",
    async languages(signal) {
      const known = await callJson({ address: `${base}/languages`, tls, signal }, Languages);
      const languages = known.map(({ code, name }) => languageOf(code, name));
      const reached = new Set(known.flatMap(({ code, targets }) => targets ?? [code]));
      return { origin: languages, target: languages.filter(({ id }) => reached.has(id)) };
    },
    async translate({ text, originId, targetId }, signal) {
      const body = { q: text, source: originId, target: targetId, format: "text", api_key: apiKey };
      const { translatedText } = await callJson(
        { address: `${base}/translate`, body, tls, signal, meaningOf },
        Translation,
      );
      return translatedText;
    },
  };
}

/**
 * LibreTranslate answers 400 to a missing key, an unknown language and a long text alike; its messages distinguish them
 * (libretranslate/app.py). They are in English unless the client asks for another language.
 */
function meaningOf(message: string): TranslationError | undefined {
  if (/\bAPI key\b/i.test(message)) return statusError(401);
  if (/\bexceeds text limit\b/i.test(message)) return textTooLong();
  if (/\blimits? violations\b/i.test(message)) return statusError(456);
  if (/^slowdown\b/i.test(message)) return statusError(429);
  if (/\bis not (supported|available as a target language)\b/i.test(message)) return statusError(400);
  return undefined;
}
