/** docs/MEMORY.md matches the code, and its buffers take no more than it says when all of them are full at once. */
import assert from "@std/assert";
import { METRICS } from "../../src/domain/mod.ts";
import { BUFFERS, memoryTables, type Owner, sumOf } from "./buffers.ts";

const plain = (row: string) => row.replace(/\s+/g, " ").replace(/-{3,}/g, "---").trim(); // deno fmt aligns the columns

Deno.test("The tables of docs/MEMORY.md are the code's (deno run -A tests/memory/buffers.ts prints them)", async () => {
  const document = await Deno.readTextFile(new URL("../../docs/MEMORY.md", import.meta.url));
  const rows = (text: string) => text.split("\n").filter((line) => /^(\||### )/.test(line)).map(plain);
  assert.deepEqual(rows(document), rows(memoryTables()));
});

Deno.test("No buffer is in the tables twice, and each is bounded", () => {
  const names = BUFFERS.map(({ owner, name }) => `${owner}: ${name}`);
  assert.deepEqual(names, [...new Set(names)]);
  for (const owner of ["speaker", "door", "room", "worker", "service"] as const) {
    assert.ok(Number.isFinite(sumOf(owner)) && sumOf(owner) > 0, owner);
  }
});

Deno.test("The metrics and codes the tables name exist", async () => {
  const sources = JSON.stringify(METRICS) + (await Promise.all(
    ["webrtc/stun_guard.ts", "webrtc/dtls_guard.ts", "webrtc/srtp.ts", "telemetry/meter.ts", "app.ts"].map((
      file,
    ) => Deno.readTextFile(new URL(`../../src/${file}`, import.meta.url))),
  )).join();
  for (const [, metric, value] of memoryTables().matchAll(/`(tiro_\w+)(?:\{\w+="(\w+)"\})?`/g)) {
    assert.ok(sources.includes(metric), metric);
    if (/^(stun|dtls|too_many)/.test(value ?? "")) assert.ok(sources.includes(`"${value}"`), value);
  }
});

/** Enough that what else is on the heap, a megabyte or two, makes no difference. */
const SPEAKERS = 8;
const ROOMS = 1;
const NOISE_BYTES = 2_000_000;

Deno.test("All buffers full at once take no more than docs/MEMORY.md says", async () => {
  const { code, stdout, stderr } = await new Deno.Command(Deno.execPath(), {
    args: [
      "run",
      "-A",
      "--quiet",
      "--v8-flags=--expose-gc",
      "tests/memory/fill.ts",
      `${SPEAKERS}`,
      `${ROOMS}`,
    ],
    cwd: new URL("../../", import.meta.url),
    stdin: "null",
  }).output();
  const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  assert.equal(code, 0, text(stderr));
  const taken: Record<Owner, number> = JSON.parse(text(stdout));
  const filled = BUFFERS.filter(({ isFilled }) => isFilled);
  const counts: [Owner, number][] = [["speaker", SPEAKERS], ["door", SPEAKERS], ["room", ROOMS], [
    "worker",
    1,
  ], ["service", 1]];
  for (const [owner, count] of counts) {
    const most = count * sumOf(owner, filled);
    assert.ok(taken[owner] <= most + NOISE_BYTES, `${owner}: ${taken[owner]} of ${most} bytes`);
    // Or nothing was filled. What is measured is between a third and all of what may be.
    assert.ok(taken[owner] >= most / 4, `${owner}: only ${taken[owner]} of ${most} bytes`);
  }
});
