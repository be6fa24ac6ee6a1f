import assert from "@std/assert";
import { Duplex } from "node:stream";
import { createSilentLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { Accepting, type Listening } from "./accepting.ts";
import type { Accepted, ConnectionStream } from "./connection_stream.ts";
import { CONNECTION_BOUNDS, Connections, sourceOf } from "./connections.ts";

const tcp = (hostname: string): Deno.Addr => ({ transport: "tcp", hostname, port: 1 });

Deno.test("A source is an IPv4 address, an IPv6 network, or the Unix socket", () => {
  assert.equal(sourceOf(tcp("192.0.2.7")), "192.0.2.7");
  assert.equal(sourceOf(tcp("::ffff:192.0.2.7")), "192.0.2.7");
  assert.equal(sourceOf({ transport: "unix", path: "/tmp/x.sock" }), "unix");
  const sources = ["2001:db8:1:2::1", "2001:db8:1:2:3:4:5:6", "2001:db8:1:2:ffff::"].map((each) =>
    sourceOf(tcp(each))
  );
  assert.deepEqual(new Set(sources), new Set(["2001:db8:1:2"]));
  assert.notEqual(sourceOf(tcp("2001:db8:1:3::1")), "2001:db8:1:2");
  assert.equal(sourceOf(tcp("::1")), "0:0:0:0");
  assert.equal(sourceOf(tcp("fe80::1")), "fe80:0:0:0");
});

const stream = () =>
  new Duplex({ read() {}, write: (_chunk, _encoding, done) => done() }) as unknown as ConnectionStream;

Deno.test("Past the bound a connection of the source with the most is closed, however old others are", () => {
  const closed: string[] = [];
  const connections = new Connections({ ...CONNECTION_BOUNDS, most: 4 }, (reason) => closed.push(reason));
  const honest = stream();
  assert.ok(connections.add(honest, "front end"));
  const many = [stream(), stream(), stream()];
  for (const each of many) assert.ok(connections.add(each, "flooder"));
  for (let n = 0; n < 100; n++) assert.ok(connections.add(stream(), "flooder"));
  assert.deepEqual([honest.destroyed, many.map(({ destroyed }) => destroyed)], [false, [true, true, true]]);
  assert.deepEqual([connections.size, closed.length], [4, 100]);
  connections.closeAll();
  assert.ok(honest.destroyed);
});

Deno.test("A stream that has ended keeps its place no longer than its client may take to read the rest", async () => {
  const closed: string[] = [];
  const connections = new Connections(
    { ...CONNECTION_BOUNDS, streams: 1, sendMs: 20 },
    (reason) => closed.push(reason),
  );
  const [first, second] = [stream(), stream()].map((each) => {
    connections.add(each, "reader");
    return connections.of(each)!;
  });
  assert.ok(connections.streaming(first));
  assert.ok(!connections.streaming(second));
  connections.streamed(first);
  await new Promise((resolve) => first.stream.once("close", resolve));
  assert.deepEqual(closed, ["not_read"]);
  assert.ok(connections.streaming(second));
  connections.closeAll();
});

class FakeListener implements Listening {
  isClosed = false;
  readonly #closed = Promise.withResolvers<never>();

  constructor(private readonly results: (Accepted | Error)[]) {
    this.#closed.promise.catch(() => {});
  }

  accept(): Promise<Accepted> {
    const next = this.results.shift();
    if (next === undefined) return this.#closed.promise;
    return next instanceof Error ? Promise.reject(next) : Promise.resolve(next);
  }
  close(): void {
    this.isClosed = true;
    this.#closed.reject(new Error("closed"));
  }
}

Deno.test("A listener that keeps failing is opened again, but not for want of descriptors", async () => {
  const meter = new FakeMeter();
  const connection = {} as Accepted;
  const lack = () => Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
  const taken = Promise.withResolvers<Accepted>();
  let shed = 0;
  const broken = new FakeListener([lack(), ...Array.from({ length: 5 }, () => new Error("broken"))]);
  const fresh = new FakeListener([new Deno.errors.ConnectionAborted("gone"), connection]);
  const reopened = [new Error("address in use"), fresh];
  const accepting = new Accepting({
    listener: broken,
    reopen: () => {
      const next = reopened.shift();
      return next instanceof FakeListener ? Promise.resolve(next) : Promise.reject(next);
    },
    onConnection: taken.resolve,
    onExhausted: () => shed++,
    log: createSilentLog(),
    meter,
  });
  assert.equal(await taken.promise, connection);
  assert.deepEqual([broken.isClosed, fresh.isClosed, shed], [true, false, 1]);
  assert.equal(meter.counted("tiro_http_accept_failures_total", "EMFILE"), 1);
  assert.ok(meter.counted("tiro_http_accept_failures_total", "Error") >= 5, "the failed opening too");
  await accepting.close();
  assert.ok(fresh.isClosed);
});

Deno.test("A lack of descriptors does not count as a fault of the listener", async () => {
  const taken = Promise.withResolvers<Accepted>();
  const lack = () => Object.assign(new Error("Too many open files (os error 24)"), { code: "EMFILE" });
  const connection = {} as Accepted;
  const listener = new FakeListener([lack(), lack(), lack(), lack(), new Error("broken"), connection]);
  const accepting = new Accepting({
    listener,
    reopen: () => Promise.reject(new Error("it was opened again")),
    onConnection: taken.resolve,
    onExhausted: () => {},
    log: createSilentLog(),
    meter: new FakeMeter(),
  });
  const deadline = setTimeout(() => taken.reject(new Error("nothing is accepted")), 10_000);
  try {
    assert.equal(await taken.promise, connection);
    assert.ok(!listener.isClosed);
  } finally {
    clearTimeout(deadline);
    await accepting.close();
  }
});
