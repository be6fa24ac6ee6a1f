/** JSON over HTTP for the providers that are plain web services: one call, bounded, its failures in the port's terms. */
import type { z } from "zod";
import { httpRequest, type TlsOptions } from "../flow/mod.ts";
import { callError, statusError, unreadableAnswer } from "./errors.ts";

export interface JsonCall {
  address: string;
  headers?: Record<string, string>;
  /** Sent as JSON with POST; without it the call is a GET. */
  body?: unknown;
  tls?: TlsOptions;
  signal: AbortSignal;
}

/** A call without an end of its own is not left to its caller alone. Past any caller's patience. */
const TIMEOUT_MS = 15_000;
/** A language list is some KB, a translation less. */
const BODY_BYTES_MAX = 256 * 1024;

/** Rejects with TranslationError, or the signal's reason. */
export async function callJson<T>(call: JsonCall, schema: z.ZodType<T>): Promise<T> {
  const { address, body, tls, signal } = call;
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
  if (answer.status !== 200) throw statusError(answer.status);
  return parsed(schema, answer.body);
}

function parsed<T>(schema: z.ZodType<T>, body: string): T {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    throw unreadableAnswer(); // the parser's own message quotes the body
  }
  const result = schema.safeParse(json);
  if (!result.success) throw unreadableAnswer();
  return result.data;
}
