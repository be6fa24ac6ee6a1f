/**
 * The REST API Talk calls. Checks and translates; what a request means is decided by `Rooms`. Has no login: it is
 * meant for the app in front of it. Answers never repeat what was sent.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import {
  InvalidRequestError,
  type Log,
  type Meter,
  type Rooms,
  TiroError,
  UnavailableError,
} from "../domain/mod.ts";
import { answerTo, HttpError } from "./errors.ts";
import * as routes from "./routes.ts";
import { describeIssues, LANGUAGE_DEFAULT } from "./schemas.ts";

export interface HttpAppOptions {
  rooms: Rooms;
  /** Counts requests, and is shown at /metrics. */
  meter: Pick<Meter, "count"> & { render(): Promise<string>; readonly contentType: string };
  log: Log;
  /** False while the service shuts down: it finishes what it has and takes nothing new. */
  acceptingWork: () => boolean;
}

export interface HttpApp {
  /** Answers any request; never rejects. */
  fetch(request: Request): Promise<Response>;
}

export function createHttpApp(options: HttpAppOptions): HttpApp {
  const { meter, log } = options;
  const app = createRouter(options);

  const fail = (error: unknown): Response => {
    const { status, message, headers } = answerTo(error);
    if (status === 500) {
      log.error("Request failed", error);
      meter.count("transcription_errors_total", error instanceof TiroError ? error.code : "internal");
    } else {
      log.debug("Request refused", { status, code: error instanceof TiroError ? error.code : undefined });
    }
    return Response.json({ error: message }, { status, headers });
  };
  app.onError(fail);

  return {
    async fetch(request) {
      let response: Response;
      try {
        response = await app.fetch(request);
      } catch (error) {
        response = fail(error);
      }
      response.headers.set("x-content-type-options", "nosniff");
      meter.count("tiro_http_requests_total", String(response.status));
      return response;
    },
  };
}

function createRouter({ rooms, meter, acceptingWork }: HttpAppOptions): OpenAPIHono {
  const app = new OpenAPIHono({
    strict: false, // a slash at the end is no reason to refuse
    defaultHook: (result) => {
      if (!result.success) throw new HttpError({ status: 400, message: describeIssues(result.error) });
    },
  });
  const requireAcceptingWork = () => {
    if (!acceptingWork()) throw new UnavailableError("Cannot take a call: shutting down", "draining");
  };
  const supported = (languageId: string): string => {
    if (rooms.languages.some(({ id }) => id === languageId)) return languageId;
    const known = rooms.languages.map(({ id }) => id).join(", ");
    throw new InvalidRequestError(`not supported; supported languages: ${known}`, "langId");
  };

  app.openapi(routes.transcribe, async (c) => {
    const body = c.req.valid("json");
    const enable = body.enable ?? true;
    const languageId = body.langId || body.languageId || LANGUAGE_DEFAULT;
    if (enable) requireAcceptingWork();
    await rooms.transcribe({
      roomToken: body.roomToken,
      ncSessionId: body.ncSessionId,
      enable,
      // Whoever wants no captions any more gets rid of them, whatever the language.
      languageId: enable ? supported(languageId) : languageId,
      turnServers: (body.turnServers ?? []).map(({ urls, username, credential }) => ({
        urls: typeof urls === "string" ? [urls] : urls,
        ...(username != null && { username }),
        ...(credential != null && { credential }),
      })),
    });
    return c.json({ message: enable ? "Transcription requested" : "Transcription stopped" }, 200);
  });

  app.openapi(routes.stop, async (c) => {
    const { roomToken } = c.req.valid("param");
    await rooms.leave(roomToken);
    return c.json({ status: "stopped" as const, roomToken }, 200);
  });

  app.openapi(routes.leave, async (c) => {
    await rooms.leave(c.req.valid("json").roomToken);
    return c.json({ message: "Left the call" }, 200);
  });

  app.openapi(routes.setLanguage, async (c) => {
    const body = c.req.valid("json");
    requireAcceptingWork();
    await rooms.setLanguage(body.roomToken, supported(body.langId || body.languageId || LANGUAGE_DEFAULT));
    return c.json({ message: "Language set" }, 200);
  });

  app.openapi(routes.languages, (c) => {
    const entries = rooms.languages.map(({ id, name, metadata }) => [id, { name, metadata }] as const);
    return c.json(Object.fromEntries(entries), 200);
  });

  app.openapi(routes.health, (c) => {
    const { rooms: count, speakers, signalingReachable } = rooms.status();
    const answer = {
      rooms: count,
      speakers,
      memory_mb: Math.round(Deno.memoryUsage().rss / 1024 / 1024),
      timestamp: new Date().toISOString(),
    };
    if (!acceptingWork()) return c.json({ status: "unhealthy" as const, ...answer }, 503);
    return c.json({ status: signalingReachable ? "healthy" as const : "degraded" as const, ...answer }, 200);
  });

  app.openapi(
    routes.metrics,
    async (c) => c.text(await meter.render(), 200, { "content-type": meter.contentType }),
  );

  refuseTheRest(app);
  return app;
}

/** A known path with another method is 405 and says what it takes; an unknown path is 404. */
function refuseTheRest(app: OpenAPIHono): void {
  const methods = new Map<string, string[]>();
  for (const route of routes.ROUTES) {
    const path = route.getRoutingPath();
    const own = route.method === "get" ? ["GET", "HEAD"] : [route.method.toUpperCase()];
    methods.set(path, [...methods.get(path) ?? [], ...own]);
  }
  for (const [path, allowed] of methods) {
    app.all(path, () => {
      throw new HttpError({ status: 405, message: "method not allowed", allow: allowed.join(", ") });
    });
  }
  app.notFound(() => {
    throw new HttpError({ status: 404, message: "no such route" });
  });
}
