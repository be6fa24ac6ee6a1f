/**
 * Kyutai speech-to-text on Modal: a WebSocket per session, 24 kHz mono float32 little-endian in binary messages, JSON
 * words in return (`codec.ts`).
 */
import { type Language, languagesOf, type SpeechToText, type SttFeatures } from "../../domain/mod.ts";
import { httpRequest } from "../../flow/mod.ts";
import type { SttParts } from "../provider.ts";
import { SOCKET_LIMITS } from "../socket_flow.ts";
import { isRefusal, openError, refusedCredentials, socketStt } from "../socket_stt.ts";
import { ModalCodec } from "./codec.ts";

export interface ModalSettings {
  /** wss://... */
  url: string;
  /** Headers Modal-Key and Modal-Secret; a self-hosted server may need none. */
  key?: string;
  secret?: string;
  /** Whether it is started ahead of the first word. Default true. */
  warmUp?: boolean;
}

type ModalOptions = ModalSettings & SttParts;

const CREDENTIALS = "MODAL_KEY, MODAL_SECRET";
const STREAM_PATH = "/v1/stream";
const HEALTH_PATH = "/health";
export const MODAL_SAMPLE_RATE_HZ = 24_000;
export const MODAL_LANGUAGES: readonly Language[] = languagesOf(["en", "fr"]);

/** The model waits half a second after a word. Not every server that speaks the protocol detects the end of a turn. */
export const FEATURES: SttFeatures = { acknowledges: false, latencyMs: 500, partials: true };

export function modalStt(settings: ModalOptions): SpeechToText {
  return socketStt({
    ...settings,
    name: "modal",
    sampleRateHz: MODAL_SAMPLE_RATE_HZ,
    languages: MODAL_LANGUAGES,
    features: FEATURES,
    connect: () => ({ url: settings.url, headers: headersOf(settings) }),
    codec: () => new ModalCodec(),
    credentials: CREDENTIALS,
    ...settings.warmUp !== false && { wake: (signal: AbortSignal) => wake(settings, signal) },
  });
}

/** The health check of a stream's server, which takes the same headers. */
export function healthUrl(streamUrl: string): string {
  const url = new URL(streamUrl);
  url.protocol = url.protocol.replace("ws", "http");
  url.pathname = url.pathname.endsWith(STREAM_PATH)
    ? url.pathname.slice(0, -STREAM_PATH.length) + HEALTH_PATH
    : HEALTH_PATH;
  url.search = "";
  return url.href;
}

/** A request starts a container as a session would, without using one of its channels. Any answer means it runs. */
async function wake(settings: ModalOptions, signal: AbortSignal): Promise<void> {
  let status: number;
  try {
    ({ status } = await httpRequest(healthUrl(settings.url), {
      signal,
      headers: headersOf(settings),
      timeoutMs: SOCKET_LIMITS.openTimeoutMs,
      bodyBytesMax: SOCKET_LIMITS.messageBytes,
      tls: settings.tls,
    }));
  } catch (error) {
    signal.throwIfAborted();
    throw openError(error, CREDENTIALS);
  }
  if (isRefusal(status)) throw refusedCredentials(CREDENTIALS);
}

function headersOf({ key, secret }: ModalSettings): Record<string, string> {
  return {
    ...key !== undefined && { "Modal-Key": key },
    ...secret !== undefined && { "Modal-Secret": secret },
  };
}
