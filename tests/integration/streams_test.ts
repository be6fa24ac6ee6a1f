/** Responses of server-sent events: as they come, at the reader's pace, and for as long as both sides want. */
import assert from "@std/assert";
import { createRoute, z } from "@hono/zod-openapi";
import { StoreError } from "../../src/domain/mod.ts";
import { open, type RouteGroup } from "../../src/http/mod.ts";
import { RawHttp } from "../fakes/raw_http.ts";
import { SocketServer, type SocketServerOptions } from "../fakes/socket_server.ts";
import { eventually } from "./world.ts";

const route = createRoute({
  method: "get",
  path: "/events",
  ...open,
  responses: { 200: { description: "Events", content: { "text/event-stream": { schema: z.string() } } } },
});
const REQUEST = "GET /events HTTP/1.1\r\nHost: a\r\n\r\n";
const HEALTH = "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n";

const EVENTS = { "content-type": "text/event-stream" };
const FILE = { "content-type": "text/plain", "x-accel-buffering": "no" };

/** Of one response. */
class Source {
  readonly #canceled = Promise.withResolvers<void>();
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  pulls = 0;
  isCanceled = false;

  readonly body: ReadableStream<Uint8Array>;

  /** `next` has what is sent whenever the reader wants more; without it only what a test sends. */
  constructor(next?: () => Uint8Array) {
    this.body = new ReadableStream<Uint8Array>({
      start: (controller) => void (this.#controller = controller),
      pull: next && (() => {
        this.pulls++;
        this.#controller.enqueue(next());
      }),
      cancel: () => {
        this.isCanceled = true;
        this.#canceled.resolve();
      },
    });
  }

  get canceled(): Promise<void> {
    return this.#canceled.promise;
  }
  send(text: string): void {
    this.#controller.enqueue(new TextEncoder().encode(text));
  }
  end(): void {
    this.#controller.close();
  }
  fail(error = new Error("unexpected")): void {
    this.#controller.error(error);
  }
}

interface Events {
  server: SocketServer;
  sources: Source[];
  [Symbol.asyncDispose](): Promise<void>;
}

async function serveEvents(
  { next, headers = [EVENTS], ...options }: SocketServerOptions & {
    next?: () => Uint8Array;
    /** Of the responses, the last one of all that follow. */
    headers?: Record<string, string>[];
  } = {},
): Promise<Events> {
  const sources: Source[] = [];
  const group: RouteGroup = {
    tags: [],
    routes: [route],
    addTo(app) {
      app.openapi(route, (c) => {
        const source = new Source(next);
        sources.push(source);
        return c.body(source.body, 200, headers[sources.length - 1] ?? headers.at(-1));
      });
    },
  };
  const server = await SocketServer.start({ ...options, groups: [group] });
  return { server, sources, [Symbol.asyncDispose]: () => server[Symbol.asyncDispose]() };
}

async function ask(port: number, request: string): Promise<string> {
  using raw = await RawHttp.open(port);
  await raw.send(request);
  return await raw.readAll();
}

async function openRaw({ server }: Events): Promise<RawHttp> {
  const raw = await RawHttp.open(server.port);
  await raw.send(REQUEST);
  return raw;
}

const streamsOf = ({ server }: Events) => server.meter.gauges.get("tiro_http_streams")?.();
const text = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);

Deno.test("Events arrive as they are sent, and nothing on the way keeps them back", async () => {
  await using events = await serveEvents();
  const response = await fetch(`http://127.0.0.1:${events.server.port}/events`);
  assert.equal(response.status, 200);
  assert.match(response.headers.get("content-type")!, /^text\/event-stream/);
  assert.equal(response.headers.get("cache-control"), "no-store");
  assert.equal(response.headers.get("x-accel-buffering"), "no");
  assert.equal(response.headers.get("x-content-type-options"), "nosniff");
  const reader = response.body!.getReader();
  for (const event of ["data: one\n\n", "data: zwei\n\n"]) {
    events.sources[0].send(event);
    assert.equal(text((await reader.read()).value), event);
  }
  assert.equal(streamsOf(events), 1);
  assert.equal(events.server.meter.gauges.get("tiro_http_connections")?.(), 0);
  events.sources[0].end();
  assert.ok((await reader.read()).done);
  await eventually("the connection is closed", () => streamsOf(events) === 0);
});

Deno.test("A reader that takes nothing makes the source wait, and gets all once it reads", async () => {
  const chunk = new Uint8Array(65_536).fill(0x78);
  await using events = await serveEvents({ next: () => chunk });
  using reader = await openRaw(events);
  let before = 0;
  let unchanged = 0;
  await eventually("the source waits", () => {
    const pulls = events.sources[0]?.pulls ?? 0;
    unchanged = pulls > 0 && pulls === before ? unchanged + 1 : 0;
    before = pulls;
    return unchanged >= 5;
  });
  // What the kernel takes of a connection, some megabytes.
  assert.ok(before * chunk.length < 20_000_000, `${before} chunks`);
  await reader.readAll(10_000_000);
  assert.ok(events.sources[0].pulls > before);
  assert.ok(!events.sources[0].isCanceled);
});

Deno.test("A reader that stalls is closed, and its source cancelled", async () => {
  await using events = await serveEvents({ next: () => new Uint8Array(65_536), bounds: { sendMs: 200 } });
  using _reader = await openRaw(events);
  await eventually("the source", () => events.sources.length === 1);
  await events.sources[0].canceled;
  const { meter } = events.server;
  assert.equal(meter.counted("tiro_http_connections_closed_total", "not_read"), 1);
  await eventually("the connection is closed", () => streamsOf(events) === 0);
});

Deno.test("A reader without events is not closed for want of them, and gets comments meanwhile", async () => {
  await using events = await serveEvents({ bounds: { sendMs: 50, idleMs: 30 } });
  const response = await fetch(`http://127.0.0.1:${events.server.port}/events`);
  const reader = response.body!.getReader();
  for (let n = 0; n < 5; n++) assert.equal(text((await reader.read()).value), ":\n\n");
  await reader.cancel();
  await events.sources[0].canceled;
});

for (const how of ["disconnects", "closes its side", "sends what is no request"]) {
  Deno.test(`A reader that ${how} cancels the source at once`, async () => {
    await using events = await serveEvents();
    const connection = await Deno.connect({ hostname: "127.0.0.1", port: events.server.port });
    await connection.write(new TextEncoder().encode(REQUEST));
    await eventually("the source", () => events.sources.length === 1);
    await connection.read(new Uint8Array(1_000));
    if (how === "disconnects") connection.close();
    else if (how === "closes its side") await connection.closeWrite();
    else await connection.write(Uint8Array.of(0, 1, 2, 3, 13, 10, 13, 10));
    await events.sources[0].canceled;
    await eventually("the connection is closed", () => streamsOf(events) === 0);
    if (how !== "disconnects") connection.close();
  });
}

Deno.test("Past their bound streams get 503 and their source is cancelled; the REST API has its own", async () => {
  await using events = await serveEvents({ bounds: { streams: 3, most: 2 } });
  const readers: RawHttp[] = [];
  for (let n = 0; n < 3; n++) {
    readers.push(await openRaw(events));
    await eventually("it is open", () => streamsOf(events) === n + 1);
  }
  const answer = await ask(events.server.port, REQUEST);
  assert.match(answer, /^HTTP\/1\.1 503 /);
  assert.match(answer, /^retry-after: 5\r$/im);
  await events.sources[3].canceled;
  assert.match(await ask(events.server.port, HEALTH), /^HTTP\/1\.1 200 /);
  readers[0][Symbol.dispose]();
  await events.sources[0].canceled;
  readers.push(await openRaw(events));
  await eventually("there is room", () => events.sources.length === 5 && streamsOf(events) === 3);
  for (const reader of readers) reader[Symbol.dispose]();
});

Deno.test("At shutdown streams end at once, and their sources are cancelled", async () => {
  const events = await serveEvents();
  const response = await fetch(`http://127.0.0.1:${events.server.port}/events`);
  const reader = response.body!.getReader();
  events.sources[0].send("data: last\n\n");
  assert.equal(text((await reader.read()).value), "data: last\n\n");
  const beganMs = performance.now();
  const ended = events[Symbol.asyncDispose]();
  assert.ok((await reader.read()).done);
  await ended;
  assert.ok(performance.now() - beganMs < 900, "no grace was needed");
  assert.ok(events.sources[0].isCanceled);
});

Deno.test("A source that fails ends the connection without the end of the response, and is counted", async () => {
  await using events = await serveEvents();
  using reader = await openRaw(events);
  await eventually("the source", () => events.sources.length === 1);
  events.sources[0].send("data: one\n\n");
  events.sources[0].fail();
  const answer = await reader.readAll();
  assert.doesNotMatch(answer, /\r\n0\r\n\r\n$/);
  assert.equal(events.server.meter.counted("tiro_internal_errors_total", "http"), 1);
});

Deno.test("A request for the head alone leaves no source open", async () => {
  await using events = await serveEvents();
  assert.match(await ask(events.server.port, REQUEST.replace("GET", "HEAD")), /^HTTP\/1\.1 200 /);
  assert.ok(events.sources[0].isCanceled);
  assert.equal(streamsOf(events), 0);
});

Deno.test("A file is sent as it is made, without comments, and has an end", async () => {
  await using events = await serveEvents({ headers: [FILE, EVENTS], bounds: { idleMs: 10 } });
  const ask = async () => (await fetch(`http://127.0.0.1:${events.server.port}/events`)).body!.getReader();
  const reader = await ask();
  for (const part of ["one ", "two "]) {
    events.sources[0].send(part);
    assert.equal(text((await reader.read()).value), part);
  }
  const rest = reader.read();
  const other = await ask();
  for (let n = 0; n < 5; n++) assert.equal(text((await other.read()).value), ":\n\n");
  await other.cancel();
  events.sources[0].end();
  assert.ok((await rest).done);
});

Deno.test("A file whose source fails as it may has no end, and is no fault of the service", async () => {
  await using events = await serveEvents({ headers: [FILE] });
  using reader = await openRaw(events);
  await eventually("the source", () => events.sources.length === 1);
  events.sources[0].send("one ");
  events.sources[0].fail(new StoreError("Cannot read records", { code: "store_away", retryable: true }));
  const answer = await reader.readAll();
  assert.doesNotMatch(answer, /\r\n0\r\n\r\n$/);
  assert.equal(events.server.meter.counted("tiro_internal_errors_total", "http"), 0);
});

Deno.test("A file that is cut short by a shutdown has no end", async () => {
  const events = await serveEvents({ headers: [FILE] });
  using reader = await openRaw(events);
  await eventually("the source", () => events.sources.length === 1);
  events.sources[0].send("one ");
  await eventually("it is sent", () => streamsOf(events) === 1);
  const ended = events[Symbol.asyncDispose]();
  assert.doesNotMatch(await reader.readAll(), /\r\n0\r\n\r\n$/);
  await ended;
});
