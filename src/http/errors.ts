/** From typed errors to HTTP answers: the only place that knows status codes of errors. */
import { InvalidRequestError, NotFoundError, TiroError, UnavailableError } from "../domain/mod.ts";

/** What only HTTP can get wrong. */
export type HttpFault =
  | { status: 400; message: string }
  | { status: 404; message: string }
  | { status: 405; message: string; allow: string }
  | { status: 408 | 413; message: string }
  | { status: 415; message: string };

export class HttpError extends TiroError {
  constructor(readonly fault: HttpFault) {
    super(fault.message, { code: `http_${fault.status}`, retryable: false });
  }
}

export interface ErrorAnswer {
  status: 400 | 404 | 405 | 408 | 413 | 415 | 500 | 503;
  message: string;
  headers: Record<string, string>;
}

/** Seconds after which Talk or an operator's script may try again. */
const RETRY_AFTER_S = "5";

/** What the caller gets to see of an error. An unexpected one says nothing of itself. */
export function answerTo(error: unknown): ErrorAnswer {
  if (error instanceof HttpError) {
    const { fault } = error;
    return {
      status: fault.status,
      message: fault.message,
      headers: "allow" in fault ? { allow: fault.allow } : {},
    };
  }
  if (error instanceof InvalidRequestError) {
    return { status: 400, message: `${error.field}: ${error.message}`, headers: {} };
  }
  if (error instanceof NotFoundError) return { status: 404, message: error.message, headers: {} };
  if (error instanceof UnavailableError) {
    return { status: 503, message: error.message, headers: { "retry-after": RETRY_AFTER_S } };
  }
  return { status: 500, message: "internal error", headers: {} };
}
