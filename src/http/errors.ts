/** Maps typed errors to HTTP responses: the only place with status codes of errors. */
import type { z } from "@hono/zod-openapi";
import {
  InvalidRequestError,
  NotFoundError,
  PreconditionError,
  StoreError,
  TiroError,
  TranslationError,
  UnavailableError,
  UpstreamError,
} from "../domain/mod.ts";

/** Errors of HTTP itself. */
export interface HttpFault {
  status: 400 | 401 | 403 | 404 | 405 | 408 | 413 | 415 | 426;
  message: string;
  headers?: Record<string, string>;
}

export class HttpError extends TiroError {
  constructor(readonly fault: HttpFault) {
    super(fault.message, { code: `http_${fault.status}`, retryable: false });
  }
}

export interface ErrorAnswer {
  status: HttpFault["status"] | 412 | 500 | 502 | 503 | 550;
  message: string;
  headers: Record<string, string>;
}

/** Non-standard: repeating the request does not help until the configuration changes. */
export const STATUS_FATAL = 550;

/** Seconds after which clients may try again. */
export const RETRY_AFTER_S = "5";

/** The response to an error. Of an unexpected one nothing is disclosed. */
export function answerTo(error: unknown): ErrorAnswer {
  if (error instanceof HttpError) return { headers: {}, ...error.fault };
  if (error instanceof InvalidRequestError) {
    return { status: 400, message: `${error.field}: ${error.message}`, headers: {} };
  }
  if (error instanceof NotFoundError) return { status: 404, message: error.message, headers: {} };
  if (error instanceof PreconditionError) return { status: 412, message: error.message, headers: {} };
  if (error instanceof UnavailableError) return later(error);
  // One that is not retryable is the operator's to repair: 500, and in the log.
  if (error instanceof StoreError && error.retryable) return later(STORE_AWAY);
  if (error instanceof TranslationError) {
    return error.retryable ? later(error) : { status: STATUS_FATAL, message: error.message, headers: {} };
  }
  if (error instanceof UpstreamError) {
    return error.retryable ? later(error) : { status: 502, message: error.message, headers: {} };
  }
  return { status: 500, message: "internal error", headers: {} };
}

/** Its own message is for the operator: it may name a folder, and whoever sends a wrong key gets this too. */
const STORE_AWAY = { message: "Cannot read or delete records: the database is away" };

function later({ message }: { message: string }): ErrorAnswer {
  return { status: 503, message, headers: { "retry-after": RETRY_AFTER_S } };
}

/**
 * Returns the result of `call`. Renames the field of an InvalidRequestError to that of the request: the same value is
 * `langId` on one route and `translationTargetLangId` on another.
 */
export function withSentNames<T>(sentNames: Record<string, string>, call: () => T): T {
  try {
    return call();
  } catch (error) {
    if (!(error instanceof InvalidRequestError) || !Object.hasOwn(sentNames, error.field)) throw error;
    throw new InvalidRequestError(error.message, sentNames[error.field]);
  }
}

/** The first issue as `field: problem`, without the value. */
export function describeIssues(error: z.core.$ZodError): string {
  const [{ path, message }] = error.issues;
  const what = message.replace(/^Invalid (input|option): /, "").replace(
    "received undefined",
    "received nothing",
  );
  return `${path.length > 0 ? path.join(".") : "body"}: ${what}`;
}
