/** A fake TURN server over TCP that sends garbage. tests/real/turn_test.ts has a real one. */
import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { TurnProtocol } from "werift";
import { connectRelay } from "./relay.ts";

Deno.test("An unreadable TURN stream fails that relay only, and an internal error is reported", async () => {
  using errors = new CaughtInternalErrors();
  const garbage = crypto.getRandomValues(new Uint8Array(4_096));
  const server = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const serving = (async () => {
    for await (const conn of server) {
      await conn.write(garbage).catch(() => {});
      await conn.readable.cancel().catch(() => {});
    }
  })();
  const { port } = server.addr;
  // No input is known on which werift throws; an error must not end the process.
  const read = Reflect.get(TurnProtocol.prototype, "dataReceived");
  Reflect.set(TurnProtocol.prototype, "dataReceived", () => {
    throw new Error("from the reader");
  });
  const over = new AbortController();
  const lingering: Promise<unknown>[] = [];
  try {
    const relay = connectRelay(
      { ways: [{ transport: "tcp", host: "127.0.0.1", port }], username: "user", credential: "password" },
      [],
      { signal: over.signal, linger: (work) => lingering.push(work) },
    );
    await assert.rejects(relay);
  } finally {
    over.abort();
    Reflect.set(TurnProtocol.prototype, "dataReceived", read);
    await Promise.allSettled(lingering);
    server.close();
    await serving;
  }
  assert.deepEqual([...new Set(errors.kinds)], ["turn"]);
});
