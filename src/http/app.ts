/**
 * The REST API Talk calls. Checks who calls and what they send; what a request means is decided behind the ports of
 * `domain/`. Answers never repeat what was sent.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import { TiroError } from "../domain/mod.ts";
import { type Auth, authentication, hasCredentials } from "./auth.ts";
import { answerTo, HttpError } from "./errors.ts";
import { Guesses } from "./guesses.ts";
import * as handlers from "./handlers.ts";
import { isOpenRoute, ROUTES } from "./routes.ts";
import { describeIssues } from "./schemas.ts";

export interface HttpAppOptions extends handlers.Services {
  auth: Auth;
}

/** Who calls, as far as the connection tells. */
export interface Caller {
  /** An address, or a network of them; all callers behind one proxy have one. */
  source: string;
  /** Resolves after `ms`, or when they have gone. Meanwhile their connection may be closed for another's. */
  hold(ms: number): Promise<void>;
}

export interface HttpApp {
  /** Answers any request; never rejects. */
  fetch(request: Request, caller: Caller): Promise<Response>;
}

export function createHttpApp(options: HttpAppOptions): HttpApp {
  const { meter, log } = options;
  const app = createRouter(options);
  const guesses = new Guesses();

  const fail = (error: unknown): Response => {
    const { status, message, headers } = answerTo(error);
    if (status === 500) {
      log.error("Request failed", error);
      meter.count("tiro_internal_errors_total", "http");
      meter.count("transcription_errors_total", error instanceof TiroError ? error.code : "internal");
    } else if (status !== 401) { // whoever guesses leaves a count, and no lines
      log.debug("Request refused", { status, code: error instanceof TiroError ? error.code : undefined });
    }
    return Response.json({ error: message }, { status, headers });
  };
  app.onError(fail);

  return {
    async fetch(request, caller) {
      let response: Response;
      try {
        response = await app.fetch(request, caller);
      } catch (error) {
        response = fail(error);
      }
      response.headers.set("x-content-type-options", "nosniff");
      if (response.status === 401 && hasCredentials(request)) {
        const holdMs = guesses.wrong(caller.source, performance.now());
        meter.count("tiro_http_wrong_credentials_total", holdMs > 0 ? "held" : "at_once");
        if (holdMs > 0) await caller.hold(holdMs);
      }
      meter.count("tiro_http_requests_total", String(response.status));
      return response;
    },
  };
}

/** Exported for the test that walks it. */
export function createRouter(options: HttpAppOptions): OpenAPIHono {
  const app = new OpenAPIHono({
    strict: false, // a slash at the end is no reason to refuse
    defaultHook: (result) => {
      if (!result.success) throw new HttpError({ status: 400, message: describeIssues(result.error) });
    },
  });
  // Before anything of a request is looked at, and for unknown paths too: who may not call learns nothing.
  app.use(authentication(options.auth, (c) => isOpenRoute(c.req.method, c.req.path)));
  handlers.addCallRoutes(app, options);
  handlers.addTranslationLanguages(app, options);
  handlers.addAppRoutes(app, options);
  handlers.addOperationRoutes(app, options);
  refuseTheRest(app);
  return app;
}

/** A known path with another method is 405 and says what it takes; an unknown path is 404. */
function refuseTheRest(app: OpenAPIHono): void {
  const methods = new Map<string, string[]>();
  for (const route of ROUTES) {
    const path = route.getRoutingPath();
    const own = route.method === "get" ? ["GET", "HEAD"] : [route.method.toUpperCase()];
    methods.set(path, [...methods.get(path) ?? [], ...own]);
  }
  for (const [path, allowed] of methods) {
    app.all(path, () => {
      const headers = { allow: allowed.join(", ") };
      throw new HttpError({ status: 405, message: "method not allowed", headers });
    });
  }
  app.notFound(() => {
    throw new HttpError({ status: 404, message: "no such route" });
  });
}
