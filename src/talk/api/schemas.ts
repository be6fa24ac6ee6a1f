/** What Talk's routes take and give, field by field. Fields nobody declared are ignored; Talk's releases differ. */
import { z } from "@hono/zod-openapi";
import { expectedWord, LIMITS } from "../../domain/mod.ts";

/** Nextcloud's session ids are long, base64 among others; anything without control characters passes. */
const sessionId = z.string().min(1, "must not be empty").max(512, "longer than 512 characters")
  .refine((id) => !/\p{Cc}/u.test(id), "holds control characters")
  .openapi({
    description: "The participant's Nextcloud session id",
    example: "1Fd3vkLtPqVQ0qYxw2sW",
    pattern: "^[^\\u0000-\\u001f\\u007f-\\u009f]*$", // as \p{Cc}, for readers who do not know Unicode's classes
  });

export const roomToken = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, "must be 1 to 64 letters, digits, _ or -")
  .openapi({ description: "Talk's token of the room", example: "x7k2p9qa" });

const language = z.string().max(64, "longer than 64 characters").nullish();

/** Talk sends none, or an empty id, for a room without a language. */
const spokenLanguage = {
  langId: language.openapi({
    description:
      "Language spoken in the room, in any spelling (`de`, `de_DE`); empty or absent: the server's default",
    example: "en",
  }),
  languageId: language.openapi({ description: "The same, where `langId` is empty or absent" }),
};

const bounded = z.string().max(1_024, "longer than 1024 characters");

/** RTCIceServer, as Nextcloud's settings and WebRTC spell it. */
const iceServer = z.object({
  urls: z.union(
    [bounded, z.array(bounded).max(16, "more than 16 addresses")],
    "expected string or array of strings",
  ),
  username: bounded.nullish(),
  credential: bounded.nullish(),
});

const { expectedWords: WORDS_MAX, expectedWordChars: WORD_CHARS_MAX } = LIMITS;

/** Never in an error: a message names the entry by its position. */
const expected = z.string().max(WORD_CHARS_MAX, `longer than ${WORD_CHARS_MAX} characters`)
  .refine((word) => expectedWord(word) !== undefined, "must have a letter or a digit");

export const transcribeBody = z.object({
  roomToken,
  ncSessionId: sessionId,
  enable: z.boolean().nullish().openapi({
    description: "`false` turns captions off for this participant; absent: `true`",
    example: true,
  }),
  ...spokenLanguage,
  translationTargetLangId: language.openapi({
    description:
      "Language to translate this participant's captions into, in any spelling; empty or null: none; absent: as before. " +
      "If it is not available, the captions stay untranslated and the message of the response gives the reason",
  }),
  words: z.array(expected).max(WORDS_MAX, `more than ${WORDS_MAX} entries`).nullish().openapi({
    description:
      "Names and terms that are likely to be spoken in the room, each a word or a phrase, the most important first. They " +
      "replace those of an earlier request; absent or null: as before; an empty list: none. A recogniser takes them with " +
      "its next session, if it takes any. They are neither stored nor logged",
    example: ["Nextcloud Talk", "Grace Hopper"],
  }),
  turnServers: z.array(iceServer).max(32, "more than 32 servers").nullish().openapi({
    description: "TURN servers for this room, besides those of Nextcloud's settings",
  }),
}).openapi("TranscribeRequest");

export const leaveBody = z.object({ roomToken }).openapi("LeaveRequest");

export const setLanguageBody = z.object({ roomToken, ...spokenLanguage }).openapi("SetLanguageRequest");

export const setTargetLanguageBody = z.object({
  roomToken,
  ncSessionId: sessionId,
  langId: language.openapi({
    description:
      "Language to translate this participant's captions into, in any spelling; empty, null or absent: none",
    example: "de",
  }),
  languageId: language.openapi({ description: "The same, where `langId` is null or absent" }),
}).openapi("SetTargetLanguageRequest");

export const roomParams = z.object({
  roomToken: roomToken.openapi({ param: { name: "roomToken", in: "path" } }),
});

/** Talk sends the room it asks for; the languages are the same in all. */
export const translationLanguagesQuery = z.object({
  roomToken: z.string().regex(/^[A-Za-z0-9_-]{0,64}$/, "must be 1 to 64 letters, digits, _ or -").optional()
    .openapi({ description: "Ignored: the languages are the same for all rooms", example: "x7k2p9qa" }),
});

export const stoppedReply = z.object({ status: z.literal("stopped"), roomToken: z.string() })
  .openapi("Stopped", { example: { status: "stopped", roomToken: "x7k2p9qa" } });

const languageEntry = z.object({
  name: z.string(),
  metadata: z.object({
    separator: z.string().openapi({ description: "Separates two words" }),
    rtl: z.boolean().openapi({ description: "Written from right to left" }),
  }),
});
const ENGLISH = { en: { name: "English", metadata: { separator: " ", rtl: false } } };
const ARABIC = { ar: { name: "العربية", metadata: { separator: " ", rtl: true } } };

/** By language id. */
export const languagesReply = z.record(z.string(), languageEntry).openapi("Languages", { example: ENGLISH });

export const translationLanguagesReply = z.object({
  origin_languages: languagesReply,
  target_languages: languagesReply,
}).openapi("TranslationLanguages", { example: { origin_languages: ENGLISH, target_languages: ARABIC } });

export const capabilitiesReply = z.object({
  live_transcription: z.object({
    version: z.string().openapi({ description: "Of the ExApp, or of the service" }),
    features: z.array(z.enum(["live_transcription", "live_translation"])),
    live_transcription: z.object({ supported_languages: languagesReply }),
    live_translation: z.object({ supported_translation_languages: translationLanguagesReply }).optional()
      .openapi({ description: "Only while captions can be translated" }),
  }),
}).openapi("Capabilities", {
  example: {
    live_transcription: {
      version: "0.1.0",
      features: ["live_transcription"],
      live_transcription: { supported_languages: ENGLISH },
    },
  },
});
