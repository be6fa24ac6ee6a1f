/**
 * Offers requested from the SFU, and which offers and candidates are valid. The HPB replies to a request with an offer
 * that names only the speaker, with an error that names only the request, after up to 10 s, or, while Janus is down, not
 * at all: here every request ends. It also relays a participant's own message as an offer of the SFU. So one offer is
 * valid for a request, then only those with its sid, which only the SFU and we know. A participant whose offer arrives
 * before the SFU's is detected when the HPB refuses our answer: it knows no such sid.
 *
 *     none --request--> asked --offer--> standing --offer with its sid--> standing
 *                         '-- refused, or no offer in time --> none, or the one before
 */
import { LIMITS } from "../../domain/mod.ts";
import type { SignalingEvent } from "./events.ts";

type OfferFailed = SignalingEvent & { type: "offer_failed" };
type AnswerRefused = SignalingEvent & { type: "answer_refused" };

/** The HPB gives up at 10 s. */
const OFFER_TIMEOUT_MS = 15_000;
/** Beyond it the oldest are dropped: speakers whose leaving was not reported. */
const STANDING_MAX = 2 * LIMITS.speakersPerSession;

interface Request {
  id: string;
  deadlineMs: number;
  code: string;
  /** Whether it was sent. */
  isAsked: boolean;
  /** Candidates accepted before the offer. */
  candidates: number;
  /** The subscription before was renegotiated meanwhile, which may be the SFU's reply. */
  isRenewed: boolean;
}

interface Standing {
  sid: string;
  candidates: number;
  /** Of the first answer, whose refusal shows that the SFU does not know this subscription. */
  answerId?: string;
}

export class Subscriptions {
  /** By speaker: one each, since a second offer would void the answer to the first. */
  readonly #requests = new Map<string, Request>();
  /** By speaker, the newest last. */
  readonly #standing = new Map<string, Standing>();

  /**
   * False when nothing is to be sent: a request for this speaker is pending, or it failed already (`failedCode`, or too
   * many), which `due` returns at once. One that may have been answered by a renegotiation is replaced.
   */
  request(sessionId: string, id: string, failedCode: string | undefined, nowMs: number): boolean {
    const pending = this.#requests.get(sessionId);
    if (pending && !pending.isRenewed) return false;
    const code = failedCode ?? (this.#requests.size >= LIMITS.speakersPerSession ? "busy" : "timeout");
    const isAsked = code === "timeout";
    const deadlineMs = isAsked ? nowMs + OFFER_TIMEOUT_MS : nowMs;
    this.#requests.set(sessionId, { id, code, isAsked, deadlineMs, candidates: 0, isRenewed: false });
    return isAsked;
  }

  /** Whether the offer is valid. */
  offered(sessionId: string, sid: string): boolean {
    const request = this.#requests.get(sessionId);
    const standing = this.#standing.get(sessionId);
    if (standing?.sid === sid) {
      standing.candidates = 0;
      if (request) request.isRenewed = true;
      return true;
    }
    if (!request?.isAsked) return false;
    this.#requests.delete(sessionId);
    this.#standing.delete(sessionId);
    for (const oldest of this.#standing.keys()) {
      if (this.#standing.size < STANDING_MAX) break;
      this.#standing.delete(oldest);
    }
    this.#standing.set(sessionId, { sid, candidates: 0 });
    return true;
  }

  /** Whether the candidate is valid; before a requested offer arrives, any sid may be that offer's. */
  trickled(sessionId: string, sid: string): boolean {
    const standing = this.#standing.get(sessionId);
    const request = this.#requests.get(sessionId);
    const of = standing?.sid === sid ? standing : request?.isAsked ? request : undefined;
    return of !== undefined && ++of.candidates <= LIMITS.candidatesPerOffer;
  }

  /** Our answer is sent with this id. False when its refusal does not matter: the subscription works. */
  answering(sessionId: string, sid: string, id: string): boolean {
    const standing = this.#standing.get(sessionId);
    if (standing?.sid !== sid || standing.answerId !== undefined) return false;
    standing.answerId = id;
    return true;
  }

  /** An error arrived; undefined when it is not for one of these. */
  fail(id: string, code: string): OfferFailed | AnswerRefused | undefined {
    for (const [sessionId, request] of this.#requests) {
      if (request.id !== id) continue;
      this.#requests.delete(sessionId);
      return { type: "offer_failed", sessionId, code };
    }
    for (const [sessionId, { sid, answerId }] of this.#standing) {
      if (answerId !== id) continue;
      this.#standing.delete(sessionId);
      const refused = { type: "answer_refused", sessionId, sid } as const;
      return this.#requests.get(sessionId)?.isAsked ? { ...refused, isAsked: true } : refused;
    }
  }

  /** What fails now; `why` replaces "timeout" where the reason is known. */
  due(nowMs: number, why?: string): OfferFailed[] {
    const failed: OfferFailed[] = [];
    for (const [sessionId, { deadlineMs, code, isRenewed }] of this.#requests) {
      if (nowMs < deadlineMs) continue;
      this.#requests.delete(sessionId);
      if (isRenewed) continue;
      failed.push({ type: "offer_failed", sessionId, code: code === "timeout" ? why ?? code : code });
    }
    return failed;
  }

  nextDeadline(): number | undefined {
    let next: number | undefined;
    for (const { deadlineMs } of this.#requests.values()) next = Math.min(next ?? deadlineMs, deadlineMs);
    return next;
  }

  /** They left the room, which ends their subscriptions. Requests still end with a failure. */
  left(sessionIds: readonly string[]): void {
    for (const sessionId of sessionIds) this.#standing.delete(sessionId);
  }

  clear(): void {
    this.#requests.clear();
    this.#standing.clear();
  }
}
