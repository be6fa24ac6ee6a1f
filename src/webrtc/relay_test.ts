/** A TURN server over TCP that is no such thing. tests/real/turn_test.ts has a real one. */
import assert from "@std/assert";
import { CaughtInternalErrors } from "../../tests/fakes/internal_errors.ts";
import { TurnProtocol } from "werift";
import { connectRelay } from "./relay.ts";

Deno.test("What cannot be read of a TURN server's stream costs that relay only, and is reported where it is a fault", async () => {
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
  // werift throws on nothing that is known; whoever does is not to take the process along.
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
