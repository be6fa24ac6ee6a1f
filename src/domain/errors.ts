/**
 * The typed errors of all modules. Messages are `<action>: <cause>` without a full stop, and never contain speech, names,
 * secrets, tokens or SDP. Only `http/` maps them to status codes.
 */
import type { Refusal } from "./admission.ts";

export abstract class TiroError extends Error {
  /** Stable machine-readable cause, snake_case; the label of the error metric. */
  readonly code: string;
  /** Whether the same action may succeed later without anyone changing anything. */
  readonly retryable: boolean;

  constructor(message: string, options: { code: string; retryable: boolean; cause?: unknown }) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = options.code;
    this.retryable = options.retryable;
  }
}

/** One thing wrong with one environment variable. */
export interface ConfigFault {
  variable: string;
  problem: string;
  example: string;
}

/** The environment does not describe a service that can run; has every fault at once. */
export class ConfigError extends TiroError {
  constructor(readonly faults: readonly ConfigFault[]) {
    super(`Cannot read the configuration: ${faults.length} fault(s)`, { code: "config", retryable: false });
  }
}

/**
 * A parameter is invalid; `http/` answers 400. `field` is its name in the port that throws; the message leaves it out,
 * since a request may have another name for it.
 */
export class InvalidRequestError extends TiroError {
  constructor(message: string, readonly field: string) {
    super(message, { code: "invalid_request", retryable: false });
  }
}

/** `http/` answers 404. */
export class NotFoundError extends TiroError {
  constructor(message: string) {
    super(message, { code: "not_found", retryable: false });
  }
}

/** A request came before the one it depends on; `http/` answers 412. */
export class PreconditionError extends TiroError {
  constructor(message: string) {
    super(message, { code: "precondition", retryable: true });
  }
}

/** The service cannot do this now (draining, full, disabled, or a peer is unreachable); `http/` answers 503. */
export class UnavailableError extends TiroError {
  constructor(
    message: string,
    code:
      | "signaling_unreachable"
      | "signaling_refused"
      | "draining"
      | "busy"
      | "listeners_max"
      | "disabled"
      | "languages_unknown"
      | Refusal["code"],
    cause?: unknown,
  ) {
    super(message, { code, retryable: true, cause });
  }
}

/** An SDP offer could not be answered, or the WebRTC transport failed. */
export class NegotiationError extends TiroError {}

/** A server the service depends on is unreachable, refuses us, or asks us to wait. Names no address and no response. */
export class UpstreamError extends TiroError {}

/** A speech-to-text session could not be opened, or failed. */
export class SttError extends TiroError {}

/** Records could not be written or read. Names no address. */
export class StoreError extends TiroError {}

/** Credentials are missing, wrong or expired; the code says which, and the message never has a part of them. */
export class CredentialsError extends TiroError {}

/** A queue that must not drop items was full; its owner must resynchronise with the peer. */
export class OverflowError extends TiroError {
  constructor(readonly queue: string, readonly capacity: number) {
    super(`Cannot queue for "${queue}": it is full at ${capacity}`, {
      code: `overflow_${queue}`,
      retryable: true,
    });
  }
}

/** The code of an error, for logs and metrics; `other` for an untyped one. */
export function codeOf(error: unknown, other = "unexpected"): string {
  return error instanceof TiroError ? error.code : other;
}
