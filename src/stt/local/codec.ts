/** A session with the recogniser's process, as the shell in `socket_session.ts` runs it. The protocol: `protocol.ts`. */
import type { SttOptions } from "../../domain/mod.ts";
import type { WebSocketMessage } from "../../flow/mod.ts";
import { DONE, IGNORED, READY, type SttCodec, type SttMessage } from "../codec.ts";
import { cannotOpen, sessionFailed } from "../errors.ts";
import { toInt16 } from "../pcm.ts";
import { parseFromRecogniser, type RecogniserErrorCode, type ToRecogniser } from "./protocol.ts";

export class LocalCodec implements SttCodec {
  readonly awaitsReady = true;
  readonly awaitsDone = true;
  readonly #options: SttOptions;

  constructor(options: SttOptions) {
    this.#options = options;
  }

  start(): readonly WebSocketMessage[] {
    const { languageId: language, words = [] } = this.#options;
    return [json({ type: "start", language, words })];
  }

  encode(samples: Float32Array): WebSocketMessage {
    return toInt16(samples);
  }

  receive(data: WebSocketMessage): SttMessage {
    const message = typeof data === "string" ? parseFromRecogniser(data) : undefined;
    switch (message?.type) {
      case "ready":
        return READY;
      case "done":
        return DONE;
      case "progress":
        return { kind: "events", events: [{ type: "progress", processedMs: message.ms }] };
      case "partial":
        return { kind: "events", events: [{ type: "partial", text: message.text, endMs: message.endMs }] };
      case "final": {
        const { text, endMs, ms } = message;
        return {
          kind: "events",
          events: [{ type: "final", text, endMs }, { type: "progress", processedMs: ms }],
        };
      }
      case "error":
        return { kind: "failed", error: ERRORS[message.code]() };
      default:
        return IGNORED;
    }
  }

  finish(): readonly WebSocketMessage[] {
    return [json({ type: "finish" })];
  }
}

const ERRORS: Readonly<Record<RecogniserErrorCode, () => ReturnType<typeof sessionFailed>>> = {
  full: () => cannotOpen("as many people talk as this machine can caption at once", "stt_full", true),
  language: () => cannotOpen("the installed models do not know the language", "stt_language", false),
  missing: () =>
    cannotOpen(
      "the model or the runtime is not installed; the log says which",
      "stt_not_installed",
      false,
    ),
  protocol: () => sessionFailed("the recogniser did not understand", "stt_server"),
  failed: () => sessionFailed("the recogniser failed", "stt_server"),
};

function json(message: ToRecogniser): string {
  return JSON.stringify(message);
}
