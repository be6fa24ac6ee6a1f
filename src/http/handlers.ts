/** What each route does: reads the checked request, asks the ports of `domain/`, and says what came of it. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import {
  type ExApp,
  type Language,
  type Log,
  type Meter,
  type Rooms,
  TiroError,
  TranslationError,
  type TranslationLanguages,
  type Translations,
  UnavailableError,
} from "../domain/mod.ts";
import { apiDocument } from "./document.ts";
import { DEGRADED_HEADER } from "./degraded.ts";
import { CONTENT_SECURITY_POLICY, docsPage } from "./docs_page.ts";
import { withSentNames } from "./errors.ts";
import * as routes from "./routes.ts";

export interface Services {
  rooms: Rooms;
  /** Absent: captions are not translated. */
  translations?: Translations;
  /** Absent: the service is no ExApp, and always enabled. */
  exApp?: ExApp;
  /** Of the ExApp or of the service, as /capabilities and the document tell it. */
  version: string;
  /** Counts requests, and is shown at /metrics. */
  meter: Pick<Meter, "count"> & { render(): Promise<string>; readonly contentType: string };
  log: Log;
  /** False while the service shuts down: it finishes what it has and takes nothing new. */
  acceptingWork: () => boolean;
}

export function addCallRoutes(app: OpenAPIHono, { rooms, exApp, acceptingWork }: Services): void {
  const requireWork = () => {
    if (!acceptingWork()) throw new UnavailableError("Cannot take a call: shutting down", "draining");
    if (exApp?.isEnabled === false) {
      throw new UnavailableError("Cannot take a call: the app is disabled in Nextcloud", "disabled");
    }
  };

  app.openapi(routes.transcribe, (c) => {
    const { roomToken, ncSessionId, translationTargetLangId, ...body } = c.req.valid("json");
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
    // The language spoken was not sent: where that is the trouble, the target is still what the caller can change.
    withSentNames(
      { translationTargetId: sentAs, languageId: sentAs },
      () => rooms.setTranslationTarget(roomToken, ncSessionId, (langId ?? languageId) || null),
    );
    return c.json({ message: "Target language set" }, 200);
  });
}

export function addTranslationLanguages(app: OpenAPIHono, { translations }: Services): void {
  app.openapi(routes.translationLanguages, (c) => {
    if (!translations) {
      throw new TranslationError("Cannot translate captions: no provider", {
        code: "translation_no_provider",
        retryable: false,
      });
    }
    return c.json(inTalksWords(translations.languages()), 200);
  });
}

/** What Nextcloud asks of an ExApp. Where the service is none, the answers are those of one that is enabled. */
export function addAppRoutes(app: OpenAPIHono, services: Services): void {
  const { rooms, translations, exApp, version, meter, log } = services;

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
          { live_translation: { supported_translation_languages: inTalksWords(translation) } }),
      },
    }, 200);
  });

  app.openapi(routes.heartbeat, (c) => c.json({ status: "ok" as const }, 200));

  app.openapi(routes.init, (c) => {
    exApp?.init();
    return c.json({}, 200);
  });

  app.openapi(routes.enabled, (c) => c.json({ enabled: exApp?.isEnabled ?? true }, 200));

  app.openapi(routes.setEnabled, async (c) => {
    const { enabled } = c.req.valid("query");
    try {
      await exApp?.setEnabled(enabled === "1" || enabled === "true");
    } catch (error) {
      // AppAPI reads why from the answer, and takes it for done only where there is nothing.
      log.error("Cannot keep whether the app is enabled", error);
      meter.count("transcription_errors_total", error instanceof TiroError ? error.code : "internal");
      return c.json({ error: "Cannot keep whether the app is enabled" }, 200);
    }
    return c.json({ error: "" }, 200);
  });
}

export function addOperationRoutes(app: OpenAPIHono, services: Services): void {
  const { rooms, translations, meter, version, acceptingWork } = services;

  app.openapi(routes.health, (c) => {
    const { rooms: count, speakers, signalingReachable, signalingRefused, refusal, troubles } = rooms
      .status();
    const answer = {
      rooms: count,
      speakers,
      memory_mb: Math.round(Deno.memoryUsage().rss / 1024 / 1024),
      timestamp: new Date().toISOString(),
    };
    if (!acceptingWork()) return c.json({ status: "unhealthy" as const, ...answer }, 503);
    const reasons = [
      ...signalingReachable ? [] : ["signaling"],
      ...signalingRefused ? ["signaling_refused"] : [],
      ...refusal ? [refusal] : [],
      ...Object.keys(troubles),
      ...translations?.trouble ? [translations.trouble] : [],
    ];
    if (reasons.length === 0) return c.json({ status: "healthy" as const, ...answer }, 200);
    // In a header: front ends refuse a field they do not know.
    return c.json({ status: "degraded" as const, ...answer }, 200, {
      [DEGRADED_HEADER]: reasons.join(", "),
    });
  });

  app.openapi(
    routes.metrics,
    async (c) => c.text(await meter.render(), 200, { "content-type": meter.contentType }),
  );

  const document = apiDocument(version);
  app.openapi(routes.document, (c) => c.json(document, 200));
  const page = docsPage(document);
  app.openapi(
    routes.docs,
    (c) => c.html(page, 200, { "content-security-policy": CONTENT_SECURITY_POLICY }),
  );
}

/** The language spoken, and the field it was sent in. */
function spokenLanguage(
  { langId, languageId }: { langId?: string | null; languageId?: string | null },
  defaultId: string,
): { id: string; sentAs: "langId" | "languageId" } {
  if (!langId && languageId) return { id: languageId, sentAs: "languageId" };
  return { id: langId || defaultId, sentAs: "langId" };
}

/** Undefined while captions cannot be translated, or the provider has not told its languages yet. */
function knownLanguages(translations: Translations | undefined): TranslationLanguages | undefined {
  if (!translations?.isAvailable) return undefined;
  try {
    return translations.languages();
  } catch (error) {
    if (error instanceof TranslationError) return undefined;
    throw error;
  }
}

function inTalksWords({ origin, target }: TranslationLanguages) {
  return { origin_languages: byId(origin), target_languages: byId(target) };
}

function byId(languages: readonly Language[]) {
  return Object.fromEntries(languages.map(({ id, name, metadata }) => [id, { name, metadata }] as const));
}
