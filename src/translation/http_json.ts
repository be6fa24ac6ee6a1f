/** JSON over HTTP for the providers that are plain web services: one call, bounded, its failures in the port's terms. */
import { z } from "zod";
import type { TranslationError } from "../domain/mod.ts";
import { httpRequest, type TlsOptions } from "../flow/mod.ts";
import { callError, statusError, unreadableAnswer } from "./errors.ts";

export interface JsonCall {
  address: string;
  headers?: Record<string, string>;
  /** Sent as JSON with POST; without it the call is a GET. */
  body?: unknown;
  tls?: TlsOptions;
  /** What the provider's own words for a refusal mean; undefined for words that mean no more than the status. */
  meaningOf?: (said: string) => TranslationError | undefined;
  signal: AbortSignal;
}

/** A call without an end of its own is not left to its caller alone. Past any caller's patience. */
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
  const json = parsed(answer.body);
  const meaning = meaningOf?.(saidIn(json));
  if (answer.status !== 200) throw meaning ?? statusError(answer.status);
  const result = schema.safeParse(json);
  if (result.success) return result.data;
  // Servers, and proxies before them, answer 200 with an error in it.
  throw meaning ?? unreadableAnswer();
}

/** Undefined for what is no JSON. */
function parsed(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch {
    return undefined;
  }
}

/** LibreTranslate and DeepL each have a field for it. */
const Refusal = z.object({ error: z.string().optional(), message: z.string().optional() });

/** Why the provider refused, in its words: for looking at, never for showing. */
function saidIn(json: unknown): string {
  const { data } = Refusal.safeParse(json);
  return data?.error ?? data?.message ?? "";
}
