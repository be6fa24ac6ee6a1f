/**
 * Guests choose what the HPB reports of them: a list of many fat entries is larger than any message that is read. It
 * costs nobody a word.
 */
import assert from "@std/assert";
import { padded } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { baseUrl, enable, eventually, finalText, metric, serviceFor } from "../integration/world.ts";
import { installedHpbVersions, onRealStack } from "../real/stack.ts";

const DEADLINE_MS = 20_000;
const GUESTS = 40;
/** A hello may have 64 KiB. */
const FAT = ["x".repeat(60_000)];
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];

for (const hpbVersion of installedHpbVersions()) {
  Deno.test(`HPB ${hpbVersion}: among ${GUESTS} guests with 60 KB of hello features every word is read`, () =>
    onRealStack({ hpbVersion }, async (stack) => {
      await using server = FakeKyutaiServer.start();
      await using service = await serviceFor(stack, { STT_PROVIDER: "modal", STT_STREAM_URL: server.url });
      const base = baseUrl(service);
      await using call = await stack.startCall();
      for (let guest = 0; guest < GUESTS; guest++) await call.addGuest(FAT);
      const listener = await call.addListener();
      const speaker = await call.addSpeaker();
      await enable(base, call.roomToken, listener);
      await eventually(
        "speaker heard",
        async () => await metric(base, "tiro_speakers_heard") === 1,
        DEADLINE_MS,
      );
      await speaker.say(padded(toneSpeech(PHRASE), 300, 300));
      const read = () => finalText(listener.transcripts, speaker.sessionId);
      await eventually("all words read", () => read() === PHRASE.join(" "), DEADLINE_MS)
        .catch(() => assert.equal(read(), PHRASE.join(" ")));
      assert.equal(await metric(base, "tiro_listeners"), 1);
      // Older servers pass nobody's features on.
      const isPassedOn = Number.parseInt(hpbVersion) >= 2;
      const skipped = await metric(base, `tiro_signaling_ignored_total{reason="too_large"}`);
      assert.equal(skipped > 0, isPassedOn, "the list was over the bound");
      const reconnects = await metric(base, `tiro_signaling_reconnects_total{kind="rejoined"}`);
      assert.equal(reconnects, 0, "the room was joined once");
    }));
}
