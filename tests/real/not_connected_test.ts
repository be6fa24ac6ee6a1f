/** Speakers who cannot be connected, as real servers have it: what the service shows of them, and when. */
import assert from "@std/assert";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { baseUrl, enable, eventually, metric, serviceFor } from "../integration/world.ts";
import { installedHpbVersions, onRealStack, type RealStack } from "./stack.ts";

/** A minute, and the last of the requests that grow apart within it; and a busy machine. */
const REPORTED_MS = 150_000;
const hpbVersion = installedHpbVersions().at(-1)!;

/** A call with captions, and what the service shows of it. */
async function onCall(
  test: (world: {
    stack: RealStack;
    call: Awaited<ReturnType<RealStack["startCall"]>>;
    becomes: (status: string, reasons: string | null) => Promise<void>;
    metric: (line: string) => Promise<number>;
  }) => Promise<void>,
): Promise<void> {
  await onRealStack({ hpbVersion }, async (stack) => {
    await using stt = FakeKyutaiServer.start();
    await using service = await serviceFor(stack, { STT_STREAM_URL: stt.url });
    const base = baseUrl(service);
    await using call = await stack.startCall();
    await enable(base, call.roomToken, await call.addListener());
    const becomes = (wanted: string, reasons: string | null) =>
      eventually(`${wanted} for ${reasons}`, async () => {
        const response = await fetch(`${base}/healthz`);
        const { status } = await response.json();
        return status === wanted && response.headers.get("x-tiro-degraded") === reasons;
      }, REPORTED_MS);
    await test({ stack, call, becomes, metric: (line) => metric(base, line) });
  });
}

Deno.test(`HPB ${hpbVersion}: who sends the SFU no audio for a minute, and a bridge that is dead, are reported`, async () => {
  await Promise.all([
    onCall(async ({ call, becomes, metric }) => {
      const startMs = performance.now();
      const mute = await call.addMute();
      await becomes("degraded", "not_connected");
      assert.ok(performance.now() - startMs > 55_000, "a client that joins has a minute");
      assert.equal(await metric('tiro_speakers_in_trouble{reason="not_connected"}'), 1);
      assert.equal(await metric('transcription_errors_total{type="not_connected"}'), 1);
      await mute[Symbol.asyncDispose]();
      await becomes("healthy", null);
    }),
    onCall(async ({ stack, call, becomes, metric }) => {
      const speaker = await call.addSpeaker();
      const isHeard = () =>
        eventually("heard", async () => await metric("tiro_speakers_heard") === 1, 30_000);
      await isHeard();
      await stack.killJanus();
      await becomes("degraded", "not_connected");
      await stack.startJanus();
      await speaker.rejoin();
      await isHeard();
      await becomes("healthy", null);
    }),
  ]);
});
