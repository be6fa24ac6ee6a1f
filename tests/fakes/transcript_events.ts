/** The routes of one transcript as docs/TRANSCRIPTS.md has them, without a service: the test says what happens when. */
import { OpenAPIHono } from "@hono/zod-openapi";
import { captionsPage } from "../../src/transcripts/mod.ts";

export const KEY = "a-viewers-key";
/** Of a proxy in front of the service. */
const PREFIX = "/tiro";

export interface EventsRequest {
  /** With its query. */
  path: string;
  lastEventId: string | null;
}

export interface Said {
  text: string;
  speakerName?: string;
  languageId?: string;
}

export class FakeTranscript implements AsyncDisposable {
  /** Of the events, in order. */
  readonly requests: EventsRequest[] = [];
  readonly #server: Deno.HttpServer<Deno.NetAddr>;
  readonly #streams = new Set<ReadableStreamDefaultController<Uint8Array>>();
  readonly #cues: string[] = [];
  /** Where a late joiner begins. */
  #firstIndex = 0;
  #refusal: { status: number; headers?: Record<string, string> } | undefined;
  #refused = Promise.withResolvers<void>();

  constructor() {
    const app = new OpenAPIHono().basePath(PREFIX);
    captionsPage().addTo(app);
    app.get("/api/v1/transcripts/:id/events", (c) => this.#events(c.req.raw));
    this.#server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen() {} },
      (request) => app.fetch(request),
    );
  }

  /** With the key in its fragment. */
  url(query = "", key = KEY): string {
    return `http://127.0.0.1:${this.#server.addr.port}${PREFIX}/captions/x${query}#key=${key}`;
  }

  /** In place of a stream, for the requests to come; resolves after the first. */
  refuse(refusal: { status: number; headers?: Record<string, string> }): Promise<void> {
    this.#refusal = refusal;
    this.#refused = Promise.withResolvers();
    return this.#refused.promise;
  }

  accept(): void {
    this.#refusal = undefined;
  }

  /** A final; returns when it was written, Unix time in ms. */
  say({ text, speakerName, languageId = "en" }: Said): number {
    const index = this.#cues.length;
    const cue = { index, speakerId: speakerName ?? "1", speakerName, languageId, startMs: 0, endMs: 1, text };
    const event = `id: ${index}\nevent: cue\ndata: ${JSON.stringify(cue)}\n\n`;
    this.#cues.push(event);
    return this.#write(event);
  }

  partial({ text, speakerName, languageId = "en" }: Said): number {
    return this.send("partial", { speakerId: speakerName ?? "1", speakerName, languageId, text });
  }

  send(type: string, data: unknown): number {
    return this.#write(`event: ${type}\ndata: ${JSON.stringify(data)}\n\n`);
  }

  /** Those who come now get the last cues alone. */
  keepLast(cues: number): void {
    this.#firstIndex = this.#cues.length - cues;
  }

  /** Ends the streams without saying why. */
  cut(): void {
    for (const stream of this.#streams) stream.close();
    this.#streams.clear();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.cut();
    void this.refuse({ status: 503 });
    await this.#server.shutdown();
  }

  #write(text: string): number {
    const bytes = new TextEncoder().encode(text);
    for (const stream of this.#streams) stream.enqueue(bytes);
    return Date.now();
  }

  #events(request: Request): Response {
    const { pathname, search, searchParams } = new URL(request.url);
    const lastEventId = request.headers.get("last-event-id");
    this.requests.push({ path: pathname + search, lastEventId });
    if (request.headers.get("authorization") !== `Bearer ${KEY}`) return new Response("", { status: 401 });
    if (this.#refusal) {
      this.#refused.resolve();
      return new Response("", this.#refusal);
    }
    const from = searchParams.get("from");
    const index = lastEventId !== null
      ? Number(lastEventId) + 1
      : from !== null
      ? Number(from)
      : this.#firstIndex;
    const first = `event: transcript\ndata: {"id":"x"}\n\n${this.#cues.slice(index).join("")}`;
    let own: ReadableStreamDefaultController<Uint8Array> | undefined;
    const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: (stream) => {
        own = stream;
        this.#streams.add(stream);
        stream.enqueue(new TextEncoder().encode(first));
      },
      cancel: () => void (own && this.#streams.delete(own)),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
}
