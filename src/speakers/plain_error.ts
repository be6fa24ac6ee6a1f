/** Errors as plain objects, to cross between processes with what logs, metrics and owners use. */
import { InvalidRequestError, NegotiationError, TiroError } from "../domain/mod.ts";

export interface PlainError {
  name: string;
  message: string;
  code?: string;
  /** Of a TiroError. */
  retryable?: boolean;
  /** Of an InvalidRequestError. */
  field?: string;
  stack?: string;
  cause?: PlainError;
}

/** An error of a worker's own pipeline, or of the worker itself. */
export class WorkerError extends TiroError {}

/** Depth of the chain of causes, which may be a cycle. */
const CAUSES_MAX = 5;

export function toPlainError(thrown: unknown, depth = 0): PlainError {
  // Any other value may be or contain speech.
  if (!(thrown instanceof Error)) return { name: typeof thrown, message: "not an error" };
  const { name } = thrown;
  const code = "code" in thrown && typeof thrown.code === "string" ? thrown.code : undefined;
  return {
    name,
    // JSON.parse quotes its input, which may be speech or a credential.
    message: thrown instanceof SyntaxError ? "[hidden]" : thrown.message,
    code,
    retryable: thrown instanceof TiroError ? thrown.retryable : undefined,
    field: thrown instanceof InvalidRequestError ? thrown.field : undefined,
    // To read a stack, Deno 2.9.6 opens files when it runs from sources, and panics without a descriptor. Ours need none.
    stack: thrown instanceof TiroError ? undefined : thrown.stack,
    cause: thrown.cause === undefined || depth + 1 >= CAUSES_MAX
      ? undefined
      : toPlainError(thrown.cause, depth + 1),
  };
}

/** A TiroError where it was one; else an Error. */
export function fromPlainError(
  { name, message, code, retryable, field, stack, cause }: PlainError,
): Error {
  if (field !== undefined) return new InvalidRequestError(message, field);
  const options = cause && { cause: fromPlainError(cause) };
  const Typed = name === "NegotiationError" ? NegotiationError : WorkerError;
  const error = retryable === undefined
    ? new Error(message, options)
    : new Typed(message, { code: code ?? "unexpected", retryable, ...options });
  return Object.assign(error, { name, stack }, code === undefined ? {} : { code });
}
