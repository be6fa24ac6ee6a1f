/**
 * DeepL (https://developers.deepl.com/api-reference): POST /v2/translate, GET /v2/languages. DeepL writes ids in upper
 * case, front ends in lower: `PT-BR` is `pt-br` here. Regional variants are targets only, so `source_lang` has no region.
 */
import { z } from "zod";
import { type Language, languageOf, type Translator } from "../../domain/mod.ts";
import type { TlsOptions } from "../../flow/mod.ts";
import { unreadableAnswer } from "../errors.ts";
import { callJson } from "../http_json.ts";
import { listOf } from "../lists.ts";

export interface DeeplSettings {
  /** https://api.deepl.com, or https://api-free.deepl.com for a free key. */
  url: string;
  key: string;
  tls?: TlsOptions;
}

const Languages = listOf(z.object({ language: z.string(), name: z.string() }));
const Translation = z.object({ translations: listOf(z.object({ text: z.string() })) });

export function deeplTranslator({ url, key, tls }: DeeplSettings): Translator {
  const base = url.replace(/\/+$/, "");
  const headers = { Authorization: `DeepL-Auth-Key ${key}` };
  const list = async (type: "source" | "target", signal: AbortSignal): Promise<Language[]> => {
    const address = `${base}/v2/languages?type=${type}`;
    const known = await callJson({ address, headers, tls, signal }, Languages);
    return known.map(({ language, name }) => languageOf(language.toLowerCase(), name));
  };
  return {
    name: "deepl",
    async languages(signal) {
      const [origin, target] = await Promise.all([list("source", signal), list("target", signal)]);
      return { origin, target };
    },
    async translate({ text, originId, targetId }, signal) {
      const body = {
        text: [text],
        source_lang: originId.split(/[-_]/)[0].toUpperCase(),
        target_lang: targetId.toUpperCase(),
      };
      const { translations: [translation] } = await callJson(
        { address: `${base}/v2/translate`, headers, body, tls, signal },
        Translation,
      );
      if (!translation) throw unreadableAnswer();
      return translation.text;
    },
  };
}
