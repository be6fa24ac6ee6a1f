/**
 * The REST API: the routes of the doors, and those for operators. Checks credentials and input; the handlers of a door
 * do the rest. Responses never repeat the input.
 */
import { OpenAPIHono } from "@hono/zod-openapi";
import type { Context, Next } from "hono";
import { type Authenticate, codeOf, type Log, type Meter, type Principal, TiroError } from "../domain/mod.ts";
import { allMeanings, type ApiDescription, apiDocument } from "./document.ts";
import { answerTo, describeIssues, HttpError } from "./errors.ts";
import { Guesses } from "./guesses.ts";
import { SocketRoutes } from "./handshake.ts";
import { operationRoutes, type OperationServices } from "./operation.ts";
import { pathPattern, type Route, type RouteGroup } from "./route_group.ts";
import type { SocketRoute } from "./socket_route.ts";

export interface HttpAppOptions extends Omit<OperationServices, "meter"> {
  api: Omit<ApiDescription, "lists">;
  /** In the order of the document. */
  groups: readonly RouteGroup[];
  /** For the document. */
  version: string;
  authenticate: Authenticate;
  /** Whether a bearer token is accepted: 401 then has a `www-authenticate` header. */
  takesToken: boolean;
  /** Rendered at /metrics. */
  meter: OperationServices["meter"] & Pick<Meter, "count">;
  log: Log;
}

/** The client, as known from its connection. */
export interface Client {
  /** An address or a network; all clients behind one proxy have the same. */
  source: string;
  /** Resolves after `ms`, or when the client disconnects. Meanwhile the connection may be closed for another. */
  hold(ms: number): Promise<void>;
}

export interface HttpApp {
  /** Never rejects. */
  fetch(request: Request, client: Client): Promise<Response>;
  /** The route that becomes a WebSocket; undefined: `fetch` has the response. Absent: there is no such route. */
  socketFor?(request: Request): SocketRoute | undefined;
}

export function createHttpApp(options: HttpAppOptions): HttpApp {
  const { meter, log } = options;
  const sockets = socketRoutes(options);
  const app = createRouter(options, sockets);
  const guesses = new Guesses();

  const fail = (error: unknown): Response => {
    const { status, message, headers } = answerTo(error);
    if (status === 500) {
      log.error("request failed", error);
      meter.count("tiro_internal_errors_total", "http");
      meter.count("transcription_errors_total", codeOf(error, "internal"));
    } else if (status !== 401) { // wrong credentials are counted, not logged
      log.debug("request refused", { status, code: error instanceof TiroError ? error.code : undefined });
    }
    return Response.json({ error: message }, { status, headers });
  };
  app.onError(fail);

  return {
    socketFor: (request) => sockets.of(request),
    async fetch(request, client) {
      let response: Response;
      try {
        response = await app.fetch(request, client);
      } catch (error) {
        response = fail(error);
      }
      response.headers.set("x-content-type-options", "nosniff");
      if (response.status === 401 && hasCredentials(request.headers)) {
        const holdMs = guesses.wrong(client.source, performance.now());
        meter.count("tiro_http_wrong_credentials_total", holdMs > 0 ? "held" : "at_once");
        if (holdMs > 0) await client.hold(holdMs);
      }
      meter.count("tiro_http_requests_total", String(response.status));
      return response;
    },
  };
}

function socketRoutes({ groups, acceptingWork }: HttpAppOptions): SocketRoutes {
  return new SocketRoutes(groups.flatMap(({ sockets = [] }) => sockets), acceptingWork);
}

/** Exported for tests. */
export function createRouter(options: HttpAppOptions, sockets = socketRoutes(options)): OpenAPIHono {
  const { api, version } = options;
  const described = { ...api, lists: options.groups };
  const meanings = allMeanings(described);
  const page = api.page.replaceAll("{version}", version);
  const operation = operationRoutes(meanings, apiDocument(described, version), page, options);
  const groups = [...options.groups, operation];
  const routes = groups.flatMap(({ routes }) => routes);
  const app = new OpenAPIHono({
    strict: false, // a slash at the end is accepted
    defaultHook: (result) => {
      if (!result.success) throw new HttpError({ status: 400, message: describeIssues(result.error) });
    },
  });
  // First, and for unknown paths too: without credentials nothing is disclosed.
  app.use(authorization(options, routes));
  sockets.addTo(app);
  for (const group of groups) group.addTo(app);
  refuseTheRest(app, routes);
  return app;
}

declare module "hono" {
  interface ContextVariableMap {
    /** Who sent the request; undefined on open routes. */
    principal: Principal | undefined;
  }
}

/** Passes open routes, and principals with the right that a route needs. Throws HttpError 401 or 403. */
function authorization(
  { authenticate, takesToken }: Pick<HttpAppOptions, "authenticate" | "takesToken">,
  routes: readonly Route[],
) {
  const refusal = {
    status: 401,
    message: "not authorised",
    ...(takesToken && { headers: { "www-authenticate": "Bearer" } }),
  } as const;
  const patterns = routes.map((route) => ({ route, path: pathPattern(route) }));
  return async (c: Context, next: Next): Promise<void> => {
    const { req } = c;
    const method = req.method === "HEAD" ? "get" : req.method.toLowerCase();
    const route = patterns.find(({ route, path }) => route.method === method && path.test(req.path))?.route;
    if (!route?.isOpen) {
      const principal = await authenticate(req.raw.headers);
      if (!principal) throw new HttpError(refusal);
      if (route?.right && !principal.rights.has(route.right)) {
        throw new HttpError({ status: 403, message: "not allowed for this client" });
      }
      c.set("principal", principal);
    }
    await next();
    // The router drops the body of the response to a HEAD, and leaves the source of a stream open.
    if (req.method === "HEAD") await c.res.body?.cancel();
  };
}

/** 405 with the allowed methods for a known path, 404 for others. */
function refuseTheRest(app: OpenAPIHono, routes: readonly Route[]): void {
  const methods = new Map<string, string[]>();
  for (const route of routes) {
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

/** Right or wrong: a request without any is no attempt to guess. */
function hasCredentials(headers: Headers): boolean {
  return headers.has("authorization") || headers.has("authorization-app-api");
}
