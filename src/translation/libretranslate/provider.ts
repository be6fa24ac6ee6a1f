/** LibreTranslate, self-hosted or public. */
import { requireVariables } from "../../domain/mod.ts";
import { type TranslationProvider, WEB_SERVICE } from "../provider.ts";
import { type LibreTranslateSettings, libreTranslateTranslator } from "./translator.ts";

export const libretranslate: TranslationProvider<LibreTranslateSettings> = {
  name: "libretranslate",
  features: WEB_SERVICE,
  variables: [
    {
      name: "LIBRETRANSLATE_URL",
      kind: "http_url",
      required: "with TRANSLATION_PROVIDER=libretranslate",
      meaning: "Address of the LibreTranslate server",
      example: "http://libretranslate:5000",
    },
    {
      name: "LIBRETRANSLATE_API_KEY",
      kind: "secret",
      secret: true,
      meaning: "Key for a LibreTranslate server that wants one",
      example: "the key its operator gave you",
    },
  ],
  settings(env) {
    requireVariables(this.variables, env, ["LIBRETRANSLATE_URL"]);
    return { url: env.LIBRETRANSLATE_URL!, apiKey: env.LIBRETRANSLATE_API_KEY };
  },
  address: ({ url }) => url,
  create: (settings, { tls }) => libreTranslateTranslator({ ...settings, tls }),
};
