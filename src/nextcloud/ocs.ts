/**
 * OCS requests to Nextcloud, signed for AppAPI where the service is an ExApp: headers EX-APP-ID, EX-APP-VERSION,
 * AA-VERSION and AUTHORIZATION-APP-API (https://docs.nextcloud.com, "ExApp development", "Authentication"), always for
 * no user. One attempt each, none while the throttle waits. Addresses, secrets and responses stay out of errors and logs.
 */
import { z } from "zod";
import { type Clock, type Log, type Meter, parseJson, UpstreamError } from "../domain/mod.ts";
import { type HttpAnswer, httpRequest, systemClock, type TlsOptions } from "../flow/mod.ts";
import { type Outcome, type Refusal, Throttle } from "./throttle.ts";

export interface ExAppIdentity {
  /** APP_ID; Talk expects `live_transcription`. */
  id: string;
  /** APP_SECRET. */
  secret: string;
  /** APP_VERSION; a higher one than Nextcloud knows means an update. */
  version: string;
  /** AA_VERSION. */
  aaVersion: string;
}

export interface OcsOptions {
  /** No slash at its end. */
  nextcloudUrl: string;
  /** Absent: requests are not signed. */
  exApp?: ExAppIdentity;
  tls?: TlsOptions;
  clock?: Clock;
  /** Wall clock for dates in Retry-After, ms since 1970. */
  unixNowMs?: () => number;
  log: Log;
  meter: Pick<Meter, "count">;
}

export interface OcsRequest {
  method: "GET" | "POST" | "PUT" | "DELETE";
  /** From `/ocs/` on, with its query; `format=json` is requested by header. */
  path: string;
  /** Sent as JSON. */
  body?: unknown;
  timeoutMs: number;
  signal: AbortSignal;
}

export interface OcsReply {
  /** The envelope's where it is more specific than HTTP's: routes under v1.php refuse most requests with HTTP 200. */
  status: number;
  /** `ocs.data` of the envelope; undefined when the body is not an OCS envelope. */
  data: unknown;
}

export interface OcsClient {
  /**
   * Any status but 429 is a reply. Rejects with UpstreamError, or the signal's reason. While Nextcloud must not be asked
   * nothing is sent, and the code is `throttled` or, after repeated 401, `unauthorized`.
   */
  request(request: OcsRequest): Promise<OcsReply>;
  /** Nextcloud has sent a request with the shared secret: ends a wait after 401. */
  expectAcceptance(): void;
}

/** The longest response, task types with their languages, can have some hundred KB. */
const BODY_BYTES_MAX = 2 * 1024 * 1024;

const MESSAGES: Record<Refusal, string> = {
  throttled: "Cannot ask Nextcloud: it limits the rate of requests",
  unauthorized: "Cannot ask Nextcloud: it does not accept our credentials",
};

const Envelope = z.object({
  ocs: z.object({ meta: z.object({ statuscode: z.coerce.number().int() }), data: z.unknown() }),
});

export function createOcs(options: OcsOptions): OcsClient {
  const { tls, log, meter } = options;
  const clock = options.clock ?? systemClock;
  const unixNowMs = options.unixNowMs ?? Date.now;
  const signed = { "OCS-APIRequest": "true", Accept: "application/json", ...signature(options.exApp) };
  const throttle = new Throttle();

  return {
    async request(request: OcsRequest): Promise<OcsReply> {
      request.signal.throwIfAborted();
      const pass = throttle.admit(appOf(request.path), clock.now());
      if (typeof pass === "string") {
        meter.count("tiro_nextcloud_requests_total", "held_back");
        throw refused(pass);
      }
      const settle = (outcome: Outcome, label: string) => {
        meter.count("tiro_nextcloud_requests_total", label);
        const change = throttle.settle(pass, outcome, clock.now());
        if (change === "open") log.info("requests accepted by Nextcloud again");
        else if (change) {
          log.warn("requests refused by Nextcloud, waiting", {
            reason: outcome.kind,
            waitMs: change.waitMs,
          });
        }
      };
      let answer: HttpAnswer;
      try {
        answer = await httpRequest(options.nextcloudUrl + request.path, {
          method: request.method,
          headers: request.body === undefined ? signed : { ...signed, "Content-Type": "application/json" },
          body: request.body === undefined ? undefined : JSON.stringify(request.body),
          signal: request.signal,
          timeoutMs: request.timeoutMs,
          bodyBytesMax: BODY_BYTES_MAX,
          tls,
        });
      } catch (error) {
        settle({ kind: "lost" }, "no_answer");
        request.signal.throwIfAborted();
        const message = error instanceof Error ? error.message : "Cannot ask Nextcloud: unknown failure";
        throw new UpstreamError(message, { code: "unreachable", retryable: true, cause: error });
      }
      const reply = read(answer);
      if (reply.status === 429) {
        settle({ kind: "throttled", retryAfterMs: retryAfterMs(answer.headers, unixNowMs()) }, "throttled");
        throw refused("throttled");
      }
      if (reply.status === 401) settle({ kind: "unauthorized" }, "unauthorized");
      else {
        const label = reply.status < 400 ? "ok" : "refused";
        settle({ kind: "answered", accepted: reply.status < 500 }, label);
      }
      return reply;
    },
    expectAcceptance: () => throttle.forgive(),
  };
}

function signature(exApp: ExAppIdentity | undefined): Record<string, string> {
  if (!exApp) return {};
  const credentials = new TextEncoder().encode(`:${exApp.secret}`); // no user before the colon
  return {
    "EX-APP-ID": exApp.id,
    "EX-APP-VERSION": exApp.version,
    "AA-VERSION": exApp.aaVersion,
    "AUTHORIZATION-APP-API": btoa(String.fromCharCode(...credentials)),
  };
}

function refused(refusal: Refusal): UpstreamError {
  return new UpstreamError(MESSAGES[refusal], { code: refusal, retryable: refusal === "throttled" });
}

/** The app or core part that serves a path: `app_api` of `/ocs/v1.php/apps/app_api/ex-app/status`. */
function appOf(path: string): string {
  return path.match(/^\/ocs\/v\d\.php\/(?:apps\/)?([^/?]+)/)?.[1] ?? path;
}

function read({ status, body }: HttpAnswer): OcsReply {
  const envelope = Envelope.safeParse(parseJson(body));
  if (!envelope.success) return { status, data: undefined };
  const { meta, data } = envelope.data.ocs;
  return { status: status < 300 ? statusOf(meta.statuscode, status) : status, data };
}

/** Routes under v1.php respond with HTTP 200; the status is in the envelope. */
function statusOf(statuscode: number, httpStatus: number): number {
  if (statuscode === 997) return 401;
  if (statuscode === 998) return 404;
  if (statuscode === 996 || statuscode === 999) return 500;
  return statuscode >= 400 && statuscode <= 599 ? statuscode : httpStatus;
}

/** RFC 9110, section 10.2.3: seconds, or a date. Undefined where it is neither. */
function retryAfterMs(headers: HttpAnswer["headers"], unixNowMs: number): number | undefined {
  const value = headers["retry-after"]?.trim() ?? "";
  if (/^\d{1,9}$/.test(value)) return Number(value) * 1_000;
  const atMs = Date.parse(value);
  return Number.isNaN(atMs) ? undefined : Math.max(0, atMs - unixNowMs);
}
