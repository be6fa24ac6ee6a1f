import assert from "@std/assert";
import { AudioLedger, type SpeakerEvents, type SpeakerOptions } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { InProcessHost } from "./in_process_host.ts";

const EVENTS: SpeakerEvents<"pcm"> = {
  caption() {},
  receiving() {},
  source() {},
  trouble() {},
  failed() {},
};

const pcm = (sampleRateHz: number): SpeakerOptions<"pcm"> => ({
  speaker: { id: "a" },
  languageId: "en",
  source: { kind: "pcm", format: { encoding: "s16le", sampleRateHz, channels: 1 } },
});

Deno.test("A speaker whose source cannot be opened leaves nothing behind", async () => {
  const [clock, scope] = [new FakeClock(), new Scope("server")];
  const host = new InProcessHost({
    settings: {
      stt: { providers: [{ provider: "modal", settings: { url: "ws://127.0.0.1:1" } }] },
      chunkMs: 80,
      partials: true,
      network: {},
      debugLog: false,
    },
    ...{ ledger: new AudioLedger(), scope, clock, log: new FakeLog(), meter: new FakeMeter() },
  });
  assert.throws(() => host.open(pcm(NaN), EVENTS), RangeError);
  await settle();
  assert.equal(scope.size, 0, "its scope has ended");
  assert.ok(!scope.signal.aborted);

  const speaker = host.open(pcm(16_000), EVENTS);
  assert.ok(scope.size > 0, "others can be opened");
  await speaker[Symbol.asyncDispose]();
  assert.equal(scope.size, 0);
  await scope[Symbol.asyncDispose]();
  assert.equal(clock.pending, 0);
});
