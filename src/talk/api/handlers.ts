/** The handlers of Talk's routes. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import {
  expectedWord,
  type Language,
  TranslationError,
  type TranslationLanguages,
  type Translations,
} from "../../domain/mod.ts";
import { type RouteGroup, withSentNames } from "../../http/mod.ts";
import type { TalkRooms } from "../rooms.ts";
import * as routes from "./routes.ts";

export type Rooms = Pick<
  TalkRooms,
  | "languages"
  | "defaultLanguageId"
  | "transcribe"
  | "leave"
  | "setLanguage"
  | "setTranslationTarget"
  | "trouble"
>;

export interface TalkServices {
  rooms: Rooms;
  /** Absent: captions are not translated. */
  translations?: Translations;
  /** Of the ExApp or of the service. */
  version: string;
  /** Throws UnavailableError while the service takes nothing new: it shuts down, or is disabled. */
  requireWork: () => void;
}

export function talkRoutes({ rooms, translations, version, requireWork }: TalkServices): RouteGroup {
  return {
    ...routes.TALK_API,
    reasons: () => rooms.trouble ? [rooms.trouble] : [],
    addTo(app: OpenAPIHono) {
      app.openapi(routes.transcribe, (c) => {
        const { roomToken, ncSessionId, translationTargetLangId, words, ...body } = c.req.valid("json");
        const enable = body.enable ?? true;
        if (enable) requireWork();
        const spoken = spokenLanguage(body, rooms.defaultLanguageId);
        const sentNames = { languageId: spoken.sentAs, translationTargetId: "translationTargetLangId" };
        const { untranslated } = withSentNames(sentNames, () =>
          rooms.transcribe({
            roomToken,
            ncSessionId,
            enable,
            languageId: spoken.id,
            ...(words && { words: words.flatMap((word) => expectedWord(word) ?? []) }),
            ...(translationTargetLangId !== undefined &&
              { translationTargetId: translationTargetLangId || null }),
            turnServers: (body.turnServers ?? []).map(({ urls, username, credential }) => ({
              urls: typeof urls === "string" ? [urls] : urls,
              ...(username != null && { username }),
              ...(credential != null && { credential }),
            })),
          }));
        const message = !enable
          ? "Transcription stopped"
          : untranslated === undefined
          ? "Transcription requested"
          : `Transcription requested; captions are not translated: ${untranslated}`;
        return c.json({ message }, 200);
      });

      app.openapi(routes.stop, (c) => {
        const { roomToken } = c.req.valid("param");
        rooms.leave(roomToken);
        return c.json({ status: "stopped" as const, roomToken }, 200);
      });

      app.openapi(routes.leave, (c) => {
        rooms.leave(c.req.valid("json").roomToken);
        return c.json({ message: "Left the call" }, 200);
      });

      app.openapi(routes.setLanguage, (c) => {
        const { roomToken, ...body } = c.req.valid("json");
        requireWork();
        const spoken = spokenLanguage(body, rooms.defaultLanguageId);
        withSentNames({ languageId: spoken.sentAs }, () => rooms.setLanguage(roomToken, spoken.id));
        return c.json({ message: "Language set" }, 200);
      });

      app.openapi(routes.languages, (c) => c.json(byId(rooms.languages), 200));

      app.openapi(routes.setTargetLanguage, (c) => {
        const { roomToken, ncSessionId, langId, languageId } = c.req.valid("json");
        requireWork();
        const sentAs = langId == null && languageId != null ? "languageId" : "langId";
        // The language spoken was not sent: where that is the cause, the target is still what the client can change.
        withSentNames(
          { translationTargetId: sentAs, languageId: sentAs },
          () => rooms.setTranslationTarget(roomToken, ncSessionId, (langId ?? languageId) || null),
        );
        return c.json({ message: "Target language set" }, 200);
      });

      app.openapi(routes.translationLanguages, (c) => {
        if (!translations) {
          throw new TranslationError("Cannot translate captions: no provider", {
            code: "translation_no_provider",
            retryable: false,
          });
        }
        return c.json(translationReply(translations.languages()), 200);
      });

      app.openapi(routes.capabilities, (c) => {
        const translation = knownLanguages(translations);
        return c.json({
          live_transcription: {
            version,
            features: translation
              ? ["live_transcription" as const, "live_translation" as const]
              : ["live_transcription" as const],
            live_transcription: { supported_languages: byId(rooms.languages) },
            ...(translation &&
              { live_translation: { supported_translation_languages: translationReply(translation) } }),
          },
        }, 200);
      });
    },
  };
}

/** The language spoken, and the field it was sent in. */
function spokenLanguage(
  { langId, languageId }: { langId?: string | null; languageId?: string | null },
  defaultId: string,
): { id: string; sentAs: "langId" | "languageId" } {
  if (!langId && languageId) return { id: languageId, sentAs: "languageId" };
  return { id: langId || defaultId, sentAs: "langId" };
}

/** Undefined while captions cannot be translated, or the provider's languages are unknown. */
function knownLanguages(translations: Translations | undefined): TranslationLanguages | undefined {
  if (!translations?.isAvailable) return undefined;
  try {
    return translations.languages();
  } catch (error) {
    if (error instanceof TranslationError) return undefined;
    throw error;
  }
}

function translationReply({ origin, target }: TranslationLanguages) {
  return { origin_languages: byId(origin), target_languages: byId(target) };
}

function byId(languages: readonly Language[]) {
  return Object.fromEntries(languages.map(({ id, name, metadata }) => [id, { name, metadata }] as const));
}
