/**
 * AppAPI's side of a Nextcloud with one ExApp registered: checks every header of the app's calls, keeps what the app
 * reports, locks out who shows wrong credentials, and calls the app over TCP or a Unix socket as AppAPI does. Routes
 * under v1.php say most refusals in the envelope, under HTTP 200, as Nextcloud does.
 */
import { timingSafeEqual } from "node:crypto";
import { request as httpRequest } from "node:http";

export interface FakeExAppRegistration {
  id: string;
  secret: string;
  version: string;
  aaVersion: string;
}

/** Where the app listens. */
export type ExAppAddress = { port: number } | { unixSocket: string };

export interface ExAppAnswer {
  status: number;
  json: unknown;
}

const STATUS_PATH = "/ocs/v1.php/apps/app_api/ex-app/status";
const STATE_PATH = "/ocs/v1.php/apps/app_api/ex-app/state";
/** Nextcloud's own: so many wrong credentials within half an hour lock an address out. */
const WRONG_MAX = 10;
const CALL_TIMEOUT_MS = 10_000;

export class FakeAppApi {
  /** What was wrong with the app's calls, one entry a call. Names headers, not values. */
  readonly faults: string[] = [];
  /** Every report of initialising that was accepted. */
  readonly reports: { progress: number; error: string }[] = [];
  /** Calls of the app, as `METHOD path`, the refused ones too. */
  readonly calls: string[] = [];
  /** Whether Nextcloud has the app enabled. */
  isEnabled = false;
  /** Answer of the status route; the two others are those of an AppAPI that has none. */
  statusRoute: 200 | 404 | 501 | 503 = 200;
  /** While set, every call gets 429, with this Retry-After where it is not empty. */
  tooMany?: { retryAfter: string };
  /** Awaited before a report of 100 is answered; AppAPI enables the app meanwhile. */
  onInitialised: () => Promise<void> = () => Promise.resolve();
  /** Called with every accepted report. */
  onReport: (progress: number) => void = () => {};
  #wrong = 0;

  constructor(readonly exApp: FakeExAppRegistration) {}

  /** The answer to a call that is not let in; undefined lets it in. */
  refuse(request: Request): Response | undefined {
    const { pathname } = new URL(request.url);
    this.calls.push(`${request.method} ${pathname}`);
    if (this.tooMany || this.#wrong >= WRONG_MAX) {
      const headers: HeadersInit = this.tooMany?.retryAfter ? { "Retry-After": this.tooMany.retryAfter } : {};
      return envelope(pathname, 429, [], headers);
    }
    const faults = this.#faults(request.headers);
    if (faults.length === 0) return undefined;
    this.faults.push(faults.join(", "));
    this.#wrong++;
    return Response.json({ message: "AppAPI authentication failed" }, { status: 401 });
  }

  /** Undefined for what is not AppAPI's. */
  async answer(request: Request): Promise<Response | undefined> {
    const { pathname } = new URL(request.url);
    if (request.method === "GET" && pathname === STATE_PATH) {
      return envelope(pathname, 200, this.isEnabled ? 1 : 0);
    }
    if (request.method !== "PUT" || pathname !== STATUS_PATH) return undefined;
    const { progress, error } = await request.json();
    if (this.statusRoute !== 200) return envelope(pathname, this.statusRoute, []);
    if (!Number.isInteger(progress) || progress < 0 || progress > 100 || typeof error !== "string") {
      this.faults.push("body of the report");
      return envelope(pathname, 400, []);
    }
    this.reports.push({ progress, error });
    this.onReport(progress);
    if (progress === 100 && error === "") await this.onInitialised();
    return envelope(pathname, 200, []);
  }

  /** Asks the app for a sign of life; AppAPI sends no credentials with it. */
  heartbeat(at: ExAppAddress): Promise<ExAppAnswer> {
    return call(at, "GET", "/heartbeat", {});
  }

  init(at: ExAppAddress): Promise<ExAppAnswer> {
    return this.call(at, "POST", "/init");
  }

  /** As an administrator's click: Nextcloud stores the state first, then notifies the app. */
  setEnabled(at: ExAppAddress, enabled: boolean): Promise<ExAppAnswer> {
    this.isEnabled = enabled;
    return this.call(at, "PUT", `/enabled?enabled=${enabled ? 1 : 0}`);
  }

  /** A signed call of a user, or of nobody, as Talk's calls come through AppAPI. */
  call(at: ExAppAddress, method: string, path: string, body?: unknown, userId = ""): Promise<ExAppAnswer> {
    return call(at, method, path, {
      "AA-VERSION": this.exApp.aaVersion,
      "EX-APP-ID": this.exApp.id,
      "EX-APP-VERSION": this.exApp.version,
      "AUTHORIZATION-APP-API": btoa(`${userId}:${this.exApp.secret}`),
      "AA-REQUEST-ID": "CLI",
      "Accept-Language": "en",
    }, body);
  }

  #faults(headers: Headers): string[] {
    const { id, secret, version, aaVersion } = this.exApp;
    const expected: Record<string, string> = {
      "OCS-APIRequest": "true",
      "EX-APP-ID": id,
      "EX-APP-VERSION": version,
      "AA-VERSION": aaVersion,
      "AUTHORIZATION-APP-API": btoa(`:${secret}`),
    };
    const faults = Object.keys(expected).filter((name) => !sameText(headers.get(name) ?? "", expected[name]));
    return headers.get("Accept")?.includes("application/json") ? faults : [...faults, "Accept"];
  }
}

/** An OCS response; v1.php sends all but 401 with HTTP 200. */
function envelope(pathname: string, status: number, data: unknown, headers: HeadersInit = {}): Response {
  const isV1 = pathname.startsWith("/ocs/v1.php/");
  const meta = {
    status: status < 400 ? "ok" : "failure",
    statuscode: isV1 && status === 200 ? 100 : status,
    message: "",
  };
  return Response.json({ ocs: { meta, data } }, { status: isV1 ? 200 : status, headers });
}

function sameText(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(new TextEncoder().encode(a), new TextEncoder().encode(b));
}

/** `fetch` knows no Unix sockets. */
function call(
  at: ExAppAddress,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: unknown,
): Promise<ExAppAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<ExAppAnswer>();
  const sent = body === undefined ? "" : JSON.stringify(body);
  const request = httpRequest({
    ...("port" in at ? { host: "127.0.0.1", port: at.port } : { socketPath: at.unixSocket }),
    method,
    path,
    agent: false,
    headers: {
      Accept: "application/json",
      ...(sent ? { "Content-Type": "application/json", "Content-Length": String(sent.length) } : {}),
      ...headers,
    },
  }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => text += chunk);
    response.on("error", reject);
    response.on("end", () => {
      const isJson = /^application\/json/.test(String(response.headers["content-type"]));
      resolve({ status: response.statusCode ?? 0, json: isJson ? JSON.parse(text) : text });
    });
  });
  const timer = setTimeout(
    () => request.destroy(new Error("Cannot call the app: no answer")),
    CALL_TIMEOUT_MS,
  );
  request.on("error", reject);
  request.on("close", () => clearTimeout(timer));
  request.end(sent || undefined);
  return promise;
}
