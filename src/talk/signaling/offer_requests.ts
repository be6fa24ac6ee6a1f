/**
 * Offers asked for and not yet answered. The HPB answers with an offer that names only the speaker, with an error that
 * names only the request, after up to 10 s, or, while Janus is down, not at all: here every request ends.
 */
import { LIMITS } from "../../domain/mod.ts";
import type { SignalingEvent } from "./events.ts";

type OfferFailed = SignalingEvent & { type: "offer_failed" };

/** The HPB gives up at 10 s. */
const OFFER_TIMEOUT_MS = 15_000;

export class OfferRequests {
  /** By speaker: one each, since a second offer would void the answer to the first. */
  readonly #pending = new Map<string, { id: string; deadlineMs: number; code: string }>();

  /**
   * False when nothing is to be sent: an offer of this speaker is on its way, or the request has failed before it
   * began (`failedCode`, or too many), which `due` tells at once.
   */
  add(sessionId: string, id: string, failedCode: string | undefined, nowMs: number): boolean {
    if (this.#pending.has(sessionId)) return false;
    const code = failedCode ?? (this.#pending.size >= LIMITS.speakersPerRoom ? "busy" : "timeout");
    const asked = code === "timeout";
    this.#pending.set(sessionId, { id, code, deadlineMs: asked ? nowMs + OFFER_TIMEOUT_MS : nowMs });
    return asked;
  }

  /** The offer came. */
  settle(sessionId: string): void {
    this.#pending.delete(sessionId);
  }

  /** An error came; undefined when it answers no request of these. */
  fail(id: string, code: string): OfferFailed | undefined {
    for (const [sessionId, request] of this.#pending) {
      if (request.id !== id) continue;
      this.#pending.delete(sessionId);
      return { type: "offer_failed", sessionId, code };
    }
  }

  /** What fails now; `why` stands for a timeout whose reason is known. */
  due(nowMs: number, why?: string): OfferFailed[] {
    const failed: OfferFailed[] = [];
    for (const [sessionId, { deadlineMs, code }] of this.#pending) {
      if (nowMs < deadlineMs) continue;
      this.#pending.delete(sessionId);
      failed.push({ type: "offer_failed", sessionId, code: code === "timeout" ? why ?? code : code });
    }
    return failed;
  }

  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const { deadlineMs } of this.#pending.values()) next = Math.min(next ?? deadlineMs, deadlineMs);
    return next;
  }

  clear(): void {
    this.#pending.clear();
  }
}
