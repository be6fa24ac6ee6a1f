/** A speaker whose pipeline runs in a media worker: what its owner asks for becomes messages. */
import { checkTimestamp } from "../audio/mod.ts";
import {
  type ExpectedWords,
  type HostedSpeaker,
  LIMITS,
  OverflowError,
  type SourceKind,
  type SourceMessage,
  type SourceReply,
  type SourceRequest,
  type SpeakerEvents,
  type SpeakerUse,
} from "../domain/mod.ts";
import { untilAborted } from "../flow/mod.ts";
import { WorkerError } from "./plain_error.ts";
import type { WorkerLink } from "./worker_link.ts";

export class RemoteSpeaker<Kind extends SourceKind = SourceKind> implements HostedSpeaker<Kind> {
  /** Undefined once nothing may be reported any more. */
  events: SpeakerEvents<Kind> | undefined;
  readonly #closed = Promise.withResolvers<SpeakerUse | undefined>();
  readonly closed = this.#closed.promise;
  #use: SpeakerUse | undefined;
  #disposed?: Promise<void>;
  /** Requests that have no reply yet. */
  #requests = 0;
  #requestBytes = 0;

  constructor(private readonly link: WorkerLink, private readonly id: number, events: SpeakerEvents<Kind>) {
    this.events = events;
  }

  send(message: SourceMessage<Kind>): void {
    this.link.send({ type: "send", id: this.id, message });
  }

  async request(request: SourceRequest<Kind>): Promise<SourceReply<Kind>> {
    if (this.#requests >= LIMITS.sourceRequests) {
      throw new OverflowError("source_requests", LIMITS.sourceRequests);
    }
    const bytes = "bytes" in request ? request.bytes.length : 0;
    if (this.#requestBytes + bytes > LIMITS.sourceRequestBytes) {
      throw new OverflowError("source_request_bytes", LIMITS.sourceRequestBytes);
    }
    if ("timestampMs" in request) checkTimestamp(request.timestampMs); // JSON makes null of it
    this.#requests++;
    this.#requestBytes += bytes;
    try {
      return await this.link.call<Kind>((call) => ({ type: "request", id: this.id, call, request })).reply;
    } finally {
      this.#requests--;
      this.#requestBytes -= bytes;
    }
  }

  /** Its pipeline has ended. */
  used(use: SpeakerUse): void {
    this.#use = use;
  }

  setLanguage(languageId: string): void {
    this.link.sendNewest({ type: "language", id: this.id, languageId });
  }

  setWords(words: ExpectedWords): void {
    this.link.sendNewest({ type: "words", id: this.id, words });
  }

  async drain(signal: AbortSignal): Promise<void> {
    const { number, reply } = this.link.call((call) => ({ type: "drain", id: this.id, call }));
    try {
      await untilAborted(reply, signal);
    } finally {
      if (signal.aborted) this.link.send({ type: "give_up", call: number });
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#disposed ??= this.#dispose();
  }

  async #dispose(): Promise<void> {
    this.events = undefined;
    try {
      await this.link.call((call) => ({ type: "dispose", id: this.id, call })).reply;
    } catch (error) {
      // A lost worker's speakers are closed with it.
      if (!(error instanceof WorkerError && error.code === "worker_lost")) throw error;
    } finally {
      this.link.forget(this.id);
      this.#closed.resolve(this.#use);
    }
  }
}
