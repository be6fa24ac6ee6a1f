/** A speech-to-text provider whose sessions are WebSockets: opens them, and says why one was not opened. */
import {
  type Language,
  type SpeechToText,
  SttError,
  type SttFeatures,
  type SttOptions,
  type SttSession,
} from "../domain/mod.ts";
import { WebSocketConnection, WebSocketOpenError } from "../flow/mod.ts";
import type { SttCodec } from "./codec.ts";
import { cannotOpen, requireLanguage } from "./errors.ts";
import type { SttParts } from "./provider.ts";
import { SOCKET_LIMITS, type SocketLimits } from "./socket_flow.ts";
import { SocketSession } from "./socket_session.ts";

export interface SocketSttOptions extends SttParts {
  name: string;
  /** Hz, of the audio that the codec encodes. */
  sampleRateHz: number;
  languages: readonly Language[];
  features: SttFeatures;
  /** The address of a session, and its headers. */
  connect(options: SttOptions): { url: string; headers?: Record<string, string> };
  codec(options: SttOptions): SttCodec;
  /** The variables to check if the server refuses the credentials. */
  credentials: string;
  limits?: Partial<SocketLimits>;
  wake?: SpeechToText["wake"];
}

/** HTTP statuses of a refused handshake. */
const UNAUTHORIZED = [401, 403];
const UNPAID = 402;
/** For Deepgram a model that has not the language, or is none. */
const BAD_REQUEST = 400;
const FULL = [429, 503];

export function socketStt(options: SocketSttOptions): SpeechToText {
  const { name, sampleRateHz, languages, features, wake } = options;
  return {
    name,
    sampleRateHz,
    languages,
    features,
    open: (session, signal) => open(options, session, signal),
    ...wake && { wake },
  };
}

async function open(
  options: SocketSttOptions,
  sessionOptions: SttOptions,
  signal: AbortSignal,
): Promise<SttSession> {
  signal.throwIfAborted();
  const { name, sampleRateHz, languages, clock, meter, tls } = options;
  requireLanguage(name, languages, sessionOptions.languageId);
  const limits = { ...SOCKET_LIMITS, ...options.limits };
  const { url, headers } = options.connect(sessionOptions);
  const { openTimeoutMs, messageBytes: maxMessageSize } = limits;
  try {
    const socket = await WebSocketConnection.open(url, {
      signal,
      headers,
      openTimeoutMs,
      maxMessageSize,
      tls,
    });
    if (signal.aborted) await socket.close();
    signal.throwIfAborted();
    const codec = options.codec(sessionOptions);
    const { recycle } = sessionOptions;
    const session = new SocketSession({
      socket,
      codec,
      name,
      sampleRateHz,
      limits,
      clock,
      meter,
      recycle,
      signal,
    });
    await becomesReady(session, limits.readyMs, options);
    return session;
  } catch (error) {
    signal.throwIfAborted();
    throw openError(error, options.credentials);
  }
}

/**
 * A server that does not say that it is ready is sent audio all the same: by its answers it is recognised as one of another
 * protocol.
 */
async function becomesReady(session: SocketSession, readyMs: number, { clock }: SttParts): Promise<void> {
  const late = Promise.withResolvers<void>();
  using _timer = clock.timer(readyMs, late.resolve);
  try {
    await Promise.race([session.ready, late.promise]);
  } catch (error) {
    await session[Symbol.asyncDispose]();
    throw error;
  }
}

/** The server refused the credentials: which variables to check. */
export function refusedCredentials(variables: string, cause?: unknown): SttError {
  return cannotOpen(`the server refused the credentials (${variables})`, "stt_unauthorized", false, cause);
}

/** Whether an HTTP status refuses the credentials. */
export function isRefusal(status: number | undefined): boolean {
  return status !== undefined && UNAUTHORIZED.includes(status);
}

export function openError(cause: unknown, credentials: string): SttError {
  if (cause instanceof SttError) return cause;
  const status = cause instanceof WebSocketOpenError ? cause.status : undefined;
  if (isRefusal(status)) return refusedCredentials(credentials, cause);
  if (status === UNPAID) return cannotOpen("the account has no credit left", "stt_unpaid", true, cause);
  if (status !== undefined && FULL.includes(status)) {
    return cannotOpen("the server is full", "stt_full", true, cause);
  }
  if (status === BAD_REQUEST) return cannotOpen("the server refused the request", "stt_refused", true, cause);
  return cannotOpen("the server is out of reach", "stt_unreachable", true, cause);
}
