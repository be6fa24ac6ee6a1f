/**
 * On real HPB and Janus: nobody reads the service's log, and somebody on the network makes it log far more than the pipe
 * and its queue hold. Every word of an honest speaker arrives meanwhile, and SIGTERM drains.
 */
import assert from "@std/assert";
import { ClaimedPorts } from "../fakes/ports.ts";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { enable, eventually, finalText, isFinal, metric, posting } from "../integration/world.ts";
import { ServiceProcess } from "../load/service_process.ts";
import { installedHpbVersions, onRealStack } from "../real/stack.ts";

const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];
/** Twice what the pipe and the queue hold. */
const REFUSED = 5_000;
const AT_ONCE = 20;
const DEADLINE_MS = 30_000;

const [hpbVersion = "none"] = installedHpbVersions().toReversed();

Deno.test("A log that nobody reads, and a flood of refused requests, cost an honest speaker no word", () =>
  onRealStack({ hpbVersion }, async (stack) => {
    await using stt = FakeKyutaiServer.start();
    using ports = ClaimedPorts.claim();
    await using service = await ServiceProcess.start({
      unreadLogPort: ports.next(),
      environment: {
        LT_HPB_URL: stack.hpbUrl,
        LT_INTERNAL_SECRET: stack.internalSecret,
        NEXTCLOUD_URL: stack.nextcloudUrl,
        STT_STREAM_URL: stt.url,
        LOG_LEVEL: "debug",
      },
    });
    const base = service.baseUrl;
    await using call = await stack.startCall();
    const listener = await call.addListener();
    await enable(base, call.roomToken, listener);
    const speaker = await call.addSpeaker();
    await eventually(
      "the speaker is heard",
      async () => await metric(base, "tiro_speakers_heard") === 1,
      DEADLINE_MS,
    );
    const flood = refused(base);
    const speech = padded(toneSpeech(PHRASE), 300, 1_000);
    await speaker.say(speech);
    await listener.until(isFinal(PHRASE), DEADLINE_MS);
    await flood;
    assert.ok(await metric(base, 'tiro_log_lines_dropped_total{level="debug"}') > 0, "the log is full");
    await speaker.say(speech);
    await eventually(
      "every word, twice",
      () => finalText(listener.transcripts, speaker.sessionId) === [...PHRASE, ...PHRASE].join(" "),
      DEADLINE_MS,
    );
    assert.equal(await service.stop(), 0, "drained");
  }));

/** Requests that each leave a line at debug level, as fast as they are answered. */
async function refused(base: string): Promise<void> {
  for (let sent = 0; sent < REFUSED; sent += AT_ONCE) {
    const signal = AbortSignal.timeout(DEADLINE_MS);
    const ask = async () => {
      const response = await fetch(posting(base, "/api/v1/call/transcribe", {}), { signal });
      await response.body?.cancel();
      assert.equal(response.status, 400);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, ask));
  }
}
