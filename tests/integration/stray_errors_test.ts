/** Errors that nobody expected, in a service process: counted, logged without what they say, and no caption is lost. */
import assert from "@std/assert";
import { FakeHpb } from "../fakes/hpb.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { ServiceProcess } from "../load/service_process.ts";
import { enable, eventually, finalText, isFinal, metric, say } from "./world.ts";

Deno.test("Unhandled rejections and exceptions, of a worker's messages too, end no call", async () => {
  await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
  await using stt = FakeKyutaiServer.start();
  const folder = await Deno.makeTempDir();
  await using service = await ServiceProcess.start({
    script: ["tests/integration/stray_main.ts", `${folder}/stray`],
    environment: {
      LT_HPB_URL: hpb.hpbUrl,
      LT_INTERNAL_SECRET: hpb.internalSecret,
      NEXTCLOUD_URL: hpb.nextcloudUrl,
      STT_STREAM_URL: stt.url,
      MEDIA_WORKERS: "1",
    },
  });
  const base = service.baseUrl;
  const counted = (where: string) => metric(base, `tiro_internal_errors_total{where="${where}"}`);
  await using call = await hpb.startCall();
  const listener = await call.addListener();
  await enable(base, call.roomToken, listener);
  const speaker = await call.addSpeaker();
  await eventually("the speaker is heard", async () => await metric(base, "tiro_speakers_heard") === 1);
  await Deno.writeTextFile(`${folder}/stray`, "");
  await eventually(
    "all is counted",
    async () => await counted("rejection") === 2 && await counted("callback") === 2,
  );

  // Each caption's handler throws, and the next caption comes.
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  await say(speaker, ["north", "paper"]);
  await listener.until(isFinal(["paper"]), 10_000);
  assert.equal(finalText(listener.transcripts), "red river north paper");
  assert.ok(await counted("worker_message") >= 2);
  assert.equal(await metric(base, 'tiro_media_workers_lost_total{reason="broken"}'), 0);

  assert.equal(await service.stop(), 0);
  await Deno.remove(folder, { recursive: true });
  const events = service.log.map((line) => JSON.parse(line));
  const told = (message: string) => events.filter((event) => event.message === message);
  assert.ok(told("internal error").length >= 6);
  assert.deepEqual(
    new Set(told("a library wrote to the console").map(({ what }) => what)),
    new Set(["log", "error", "Warning"]),
  );
  assert.doesNotMatch(service.log.join("\n"), /what-a-peer-sent/);
});
