/**
 * The offline recogniser: sessions over a WebSocket on loopback with the one process that has the model
 * (`recogniser.ts`), which the service starts (`supervisor.ts`).
 */
import { type Language, languagesOf, type SpeechToText, type SttFeatures } from "../../domain/mod.ts";
import { cannotOpen } from "../errors.ts";
import type { SttParts } from "../provider.ts";
import { socketStt } from "../socket_stt.ts";
import { LocalCodec } from "./codec.ts";
import { SAMPLE_RATE_HZ } from "./protocol.ts";

/** Where the process listens, and what it lets in. */
export interface LocalSession {
  port: number;
  token: string;
  /** Ids of those of the installed models. */
  languages: readonly string[];
}

/** Of the default model. */
export const LOCAL_LANGUAGES: readonly Language[] = languagesOf(["en"]);

/** A final is 0.1 s of decoding after half a second of silence, more with many speakers. */
export const FEATURES: SttFeatures = {
  acknowledges: true,
  latencyMs: 800,
  partials: true,
  words: true,
  isLocal: true,
};

/** The model loads in a second, or in some on a busy machine. */
const OPEN_TIMEOUT_MS = 20_000;
/** A segment and its silence take 9 s, and may wait a little. */
const UNACKNOWLEDGED_MS = 20_000;
/** The last segment is decoded within a second; on a busy machine others are first. */
const FINISH_MS = 5_000;

/** `session` is absent where the service did not start the process. */
export function localStt({ session, ...parts }: SttParts & { session?: LocalSession }): SpeechToText {
  return socketStt({
    ...parts,
    name: "local",
    sampleRateHz: SAMPLE_RATE_HZ,
    languages: session ? languagesOf(session.languages) : LOCAL_LANGUAGES,
    features: FEATURES,
    connect() {
      if (!session) throw cannotOpen("the offline recogniser was not started", "stt_not_installed", false);
      return {
        url: `ws://127.0.0.1:${session.port}/`,
        headers: { authorization: `Bearer ${session.token}` },
      };
    },
    codec: (options) => new LocalCodec(options),
    credentials: "of this service's own process",
    limits: { openTimeoutMs: OPEN_TIMEOUT_MS, unacknowledgedMs: UNACKNOWLEDGED_MS, finishMs: FINISH_MS },
  });
}
