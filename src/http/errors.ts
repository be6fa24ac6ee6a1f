/** From typed errors to HTTP answers: the only place that knows status codes of errors. */
import type { z } from "@hono/zod-openapi";
import {
  InvalidRequestError,
  NotFoundError,
  PreconditionError,
  TiroError,
  TranslationError,
  UnavailableError,
  UpstreamError,
} from "../domain/mod.ts";

/** What only HTTP can get wrong. */
export interface HttpFault {
  status: 400 | 401 | 403 | 404 | 405 | 408 | 413 | 415;
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

/** Talk's own status: this will not work until somebody changes something, so do not ask again. */
export const STATUS_FATAL = 550;

/** Seconds after which Talk or an operator's script may try again. */
const RETRY_AFTER_S = "5";

/** What the caller gets to see of an error. An unexpected one says nothing of itself. */
export function answerTo(error: unknown): ErrorAnswer {
  if (error instanceof HttpError) return { headers: {}, ...error.fault };
  if (error instanceof InvalidRequestError) return { status: 400, message: namingField(error), headers: {} };
  if (error instanceof NotFoundError) return { status: 404, message: error.message, headers: {} };
  if (error instanceof PreconditionError) return { status: 412, message: error.message, headers: {} };
  if (error instanceof UnavailableError) return later(error);
  if (error instanceof TranslationError) {
    return error.retryable ? later(error) : { status: STATUS_FATAL, message: error.message, headers: {} };
  }
  if (error instanceof UpstreamError) {
    return error.retryable ? later(error) : { status: 502, message: error.message, headers: {} };
  }
  return { status: 500, message: "internal error", headers: {} };
}

function later(error: TiroError): ErrorAnswer {
  return { status: 503, message: error.message, headers: { "retry-after": RETRY_AFTER_S } };
}

/** Every 400 begins with the field at fault. */
function namingField({ field, message }: InvalidRequestError): string {
  return `${field}: ${message}`;
}

/**
 * What `ask` returns. The fields of an InvalidRequestError it throws get the names they were sent by: one value
 * travels as `langId` on one route and as `translationTargetLangId` on another.
 */
export function withSentNames<T>(sentNames: Record<string, string>, ask: () => T): T {
  try {
    return ask();
  } catch (error) {
    if (!(error instanceof InvalidRequestError) || !Object.hasOwn(sentNames, error.field)) throw error;
    throw new InvalidRequestError(error.message, sentNames[error.field]);
  }
}

/** The first thing wrong, as `field: what`; the value itself is never part of it. */
export function describeIssues(error: z.core.$ZodError): string {
  const [{ path, message }] = error.issues;
  const what = message.replace(/^Invalid (input|option): /, "").replace(
    "received undefined",
    "received nothing",
  );
  return `${path.length > 0 ? path.join(".") : "body"}: ${what}`;
}
