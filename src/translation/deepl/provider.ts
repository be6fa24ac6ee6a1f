/** DeepL, with a paid key or a free one. */
import { requireVariables } from "../../domain/mod.ts";
import { type TranslationProvider, WEB_SERVICE } from "../provider.ts";
import { type DeeplSettings, deeplTranslator } from "./translator.ts";

const PAID_URL = "https://api.deepl.com";
const FREE_URL = "https://api-free.deepl.com";
const FREE_KEY_END = ":fx";

export const deepl: TranslationProvider<DeeplSettings> = {
  name: "deepl",
  features: WEB_SERVICE,
  variables: [
    {
      name: "DEEPL_API_KEY",
      kind: "header_secret",
      required: "with TRANSLATION_PROVIDER=deepl",
      secret: true,
      meaning: "Authentication key of a DeepL API account",
      example: "the key from your DeepL account page",
    },
    {
      name: "DEEPL_URL",
      kind: "http_url",
      default: PAID_URL,
      meaning:
        `Address of DeepL; with a free key (it ends in \`${FREE_KEY_END}\`) the default is \`${FREE_URL}\``,
      example: PAID_URL,
    },
  ],
  settings(env) {
    requireVariables(this.variables, env, ["DEEPL_API_KEY"]);
    const key = env.DEEPL_API_KEY!;
    return { key, url: env.DEEPL_URL ?? (key.endsWith(FREE_KEY_END) ? FREE_URL : PAID_URL) };
  },
  address: ({ url }) => url,
  create: (settings, { tls }) => deeplTranslator({ ...settings, tls }),
};
