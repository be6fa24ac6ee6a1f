import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import { blocksOutside, ClaimedPorts, ephemeralPorts, type PortRange } from "./ports.ts";

const ADDRESS = "127.0.0.1";
const DEADLINE_MS = 20_000;

Deno.test("No port claimed is one the kernel would give out", () => {
  const { first, last } = ephemeralPorts();
  using ports = ClaimedPorts.claim();
  const given = [ports.next(), ports.next(), ...Object.values(ports.rest())];
  assert.ok(given.every((port) => port < first || port > last), `${given} but not ${first} to ${last}`);
});

Deno.test("Blocks lie beside the ephemeral ports, and among them only where nothing is left", () => {
  const ends = (range: PortRange) => {
    const blocks = blocksOutside(range);
    return [blocks.length, blocks[0], blocks.at(-1)];
  };
  assert.deepEqual(ends({ first: 32_768, last: 60_999 }), [227 + 45, 10_000, 65_400]);
  assert.deepEqual(ends({ first: 1_024, last: 60_999 }), [45, 61_000, 65_400]);
  assert.deepEqual(ends({ first: 16_000, last: 65_535 }), [60, 10_000, 15_900]);
  assert.deepEqual(ends({ first: 1_024, last: 65_535 }), [555, 10_000, 65_400]);
});

Deno.test("What one owner holds no other is given, until it is disposed", () => {
  const owners = Array.from({ length: 20 }, () => ClaimedPorts.claim());
  const given = new Set<number>();
  for (const owner of owners) {
    const first = owner.next();
    const rest = owner.rest();
    assert.ok(rest.last - rest.first > 50, "a stack's worth");
    for (let port = first; port <= rest.last; port++) {
      assert.ok(!given.has(port), `${port} given twice`);
      given.add(port);
    }
    assert.throws(() => owner.next(), /^Error: Cannot give out a port/);
  }
  for (const owner of owners) owner[Symbol.dispose]();
});

Deno.test("A port somebody took without asking is passed over", () => {
  using ports = ClaimedPorts.claim();
  const before = ports.next();
  using _listener = Deno.listen({ hostname: ADDRESS, port: before + 1 });
  assert.equal(ports.next(), before + 2);
});

Deno.test("A process keeps its ports for as long as it lives, killed or not", async () => {
  const { href } = new URL("ports.ts", import.meta.url);
  const script = `
    const { ClaimedPorts } = await import("${href}");
    using ports = ClaimedPorts.claim();
    console.log(ports.next());
    await Deno.stdin.readable.getReader().read();
  `;
  const owner = new Deno.Command(Deno.execPath(), {
    args: ["eval", "--quiet", script],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const output = owner.stdout.pipeThrough(new TextDecoderStream()).getReader();
  const given = Number((await output.read()).value);
  const claim = { hostname: ADDRESS, port: given - 1 };
  assert.ok(!canListen(claim));
  owner.kill("SIGKILL");
  await Promise.all([owner.status, output.cancel(), owner.stdin.close().catch(() => {})]);
  // Another test may have claimed them by now, and keeps them for a while.
  const deadline = AbortSignal.timeout(DEADLINE_MS);
  while (!canListen(claim)) await delay(20, deadline);
});

function canListen(at: { hostname: string; port: number }): boolean {
  try {
    Deno.listen(at).close();
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) return false;
    throw error;
  }
}
