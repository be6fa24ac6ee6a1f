/** The SFU's part of the fake HPB: who publishes, who is subscribed to whom, and offers that wait for a publisher. */
import { randomBytes } from "node:crypto";
import type { Json } from "./hpb_messages.ts";
import type { Speech } from "./speech.ts";

/** One speaker's microphone and the SFU behind it: what the fake HPB needs of either. */
export interface FakePublisher {
  /** A new subscription: the SDP offer for it. */
  offer(subscriberId: string, sid: string): Promise<string>;
  /** The subscriber's SDP answer; rejects when it does not fit. */
  answer(sid: string, sdp: string): Promise<void>;
  /** The subscriber's ICE candidate. */
  candidate(
    sid: string,
    candidate: { candidate: string; sdpMid?: string; sdpMLineIndex?: number },
  ): Promise<void>;
  /** The subscription is over (replaced by a newer one, or its subscriber is gone). */
  release?(sid: string): Promise<void>;
  /** Plays speech in real time; resolves when it is out. Between plays the microphone sends silence. */
  say(speech: Speech): Promise<void>;
  close(): Promise<void>;
}

export type PublisherFactory = (publisherId: string) => Promise<FakePublisher>;

interface Subscription {
  sid: string;
  publisher: FakePublisher;
}

export class HpbMedia {
  readonly #publishers = new Map<string, FakePublisher>();
  readonly #awaitingPublisher = new Map<string, Set<() => void>>();
  /** Subscriptions by subscriber and publisher: one each, the newest. */
  readonly #subscriptions = new Map<string, Subscription>();

  constructor(private readonly offerWaitMs: number) {}

  /** The session publishes from now on: waiting offers are answered. */
  publish(sessionId: string, publisher: FakePublisher): void {
    this.#publishers.set(sessionId, publisher);
    for (const go of this.#awaitingPublisher.get(sessionId) ?? []) go();
  }

  /** Offers that wait for a publisher wait no longer. */
  endWaits(): void {
    for (const waiting of this.#awaitingPublisher.values()) for (const go of waiting) go();
  }

  /** A subscriber's answer or candidate. Returns the code of the error, if there is one. */
  async receive(
    subscriberId: string,
    publisherId: string,
    { type, sid, payload }: { type: "answer" | "candidate"; sid: unknown; payload: Json },
  ): Promise<string | undefined> {
    const subscription = this.#subscriptions.get(pair(subscriberId, publisherId));
    if (!subscription) return "client_not_found";
    if (subscription.sid !== sid) return "processing_failed";
    try {
      if (type === "answer") {
        await subscription.publisher.answer(subscription.sid, String(payload.sdp));
      } else {
        const candidate = payload.candidate as { candidate: string };
        await subscription.publisher.candidate(subscription.sid, candidate);
      }
    } catch {
      return "processing_failed";
    }
  }

  /** A new subscription, or the code of the error. `isThere`: whether the subscriber still has a session. */
  async requestOffer(
    subscriberId: string,
    publisherId: string,
    isThere: () => boolean,
  ): Promise<{ sid: string; sdp: string } | { fault: string }> {
    if (!this.#publishers.has(publisherId)) await this.#published(publisherId);
    const publisher = this.#publishers.get(publisherId);
    if (!publisher || !isThere()) return { fault: "client_not_found" };
    const sid = randomBytes(6).toString("hex");
    const key = pair(subscriberId, publisherId);
    const before = this.#subscriptions.get(key);
    this.#subscriptions.set(key, { sid, publisher });
    await before?.publisher.release?.(before.sid);
    try {
      return { sid, sdp: await publisher.offer(subscriberId, sid) };
    } catch {
      return { fault: "processing_failed" };
    }
  }

  /** The microphone goes; connections to it stay up without audio. */
  async leaveCall(sessionId: string): Promise<void> {
    const publisher = this.#publishers.get(sessionId);
    this.#publishers.delete(sessionId);
    await publisher?.close();
  }

  /** The session left its room: nothing of its audio or its subscriptions remains. */
  async release(sessionId: string): Promise<void> {
    await this.leaveCall(sessionId);
    for (const [key, { publisher, sid }] of [...this.#subscriptions]) {
      const [subscriberId, publisherId] = key.split(" ");
      if (subscriberId !== sessionId && publisherId !== sessionId) continue;
      this.#subscriptions.delete(key);
      if (subscriberId === sessionId) await publisher.release?.(sid);
    }
  }

  /** Resolves when the session publishes, or the wait is over. */
  async #published(publisherId: string): Promise<void> {
    const waited = Promise.withResolvers<void>();
    const waiting = this.#awaitingPublisher.get(publisherId) ?? new Set();
    this.#awaitingPublisher.set(publisherId, waiting.add(waited.resolve));
    const timer = setTimeout(waited.resolve, this.offerWaitMs);
    await waited.promise;
    clearTimeout(timer);
    waiting.delete(waited.resolve);
  }
}

const pair = (subscriberId: string, publisherId: string) => `${subscriberId} ${publisherId}`;
