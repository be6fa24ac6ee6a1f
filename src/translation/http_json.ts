/** JSON over HTTP for providers that are web services: one bounded call, which fails with the port's errors. */
import { z } from "zod";
import { parseJson, type TranslationError } from "../domain/mod.ts";
import { httpRequest, type TlsOptions } from "../flow/mod.ts";
import { callError, statusError, unreadableAnswer } from "./errors.ts";

export interface JsonCall {
  address: string;
  headers?: Record<string, string>;
  /** Sent as JSON by POST; absent for a GET. */
  body?: unknown;
  tls?: TlsOptions;
  /** The error for a message of the provider's; undefined where it means no more than the status. */
  meaningOf?: (message: string) => TranslationError | undefined;
  signal: AbortSignal;
}

/** Longer than any caller waits: bounds a call whose caller sets no limit. */
const TIMEOUT_MS = 15_000;
/** A language list is some KB, a translation less. */
const BODY_BYTES_MAX = 256 * 1024;

/** Rejects with TranslationError, or the signal's reason. */
export async function callJson<T>(call: JsonCall, schema: z.ZodType<T>): Promise<T> {
  const { address, body, tls, signal, meaningOf } = call;
  let answer;
  try {
    answer = await httpRequest(address, {
      method: body === undefined ? "GET" : "POST",
      headers: {
        Accept: "application/json",
        ...(body !== undefined && { "Content-Type": "application/json" }),
        ...call.headers,
      },
      body: body === undefined ? undefined : JSON.stringify(body),
      timeoutMs: TIMEOUT_MS,
      bodyBytesMax: BODY_BYTES_MAX,
      tls,
      signal,
    });
  } catch (error) {
    throw callError(error, signal);
  }
  const json = parseJson(answer.body);
  const meaning = meaningOf?.(messageIn(json));
  if (answer.status !== 200) throw meaning ?? statusError(answer.status);
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  // Servers, and proxies before them, answer 200 with an error in it.
  throw meaning ?? unreadableAnswer();
}

/** LibreTranslate sends `error`, DeepL `message`. */
const Refusal = z.object({ error: z.string().optional(), message: z.string().optional() });

/** The provider's error message: matched, never logged or shown. */
function messageIn(json: unknown): string {
  const { data } = Refusal.safeParse(json);
  return data?.error ?? data?.message ?? "";
}
