/** Out of file descriptors in the middle of a call: who is captioned goes on, who needs a socket gets it when there is one. */
import assert from "@std/assert";
import { LIMITS } from "../../src/domain/mod.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { ServiceProcess } from "../load/service_process.ts";
import { enable, eventually, isFinal, metric, say } from "./world.ts";

const DEADLINE_MS = 20_000;
const ENOUGH = 2_000;

for (const workers of ["0", "1"]) {
  Deno.test(`Without a descriptor (${workers} media workers) who speaks is captioned on; newcomers and calls follow when there is one`, async () => {
    const [asked, sent] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    let isHeld = false;
    await using hpb = await FakeHpb.start({
      async publishers(...args) {
        const publisher = await weriftPublisherFactory(...args);
        const { offer } = publisher;
        publisher.offer = async (...args) => {
          if (isHeld) asked.resolve();
          if (isHeld) await sent.promise;
          return await offer.apply(publisher, args);
        };
        return publisher;
      },
    });
    await using stt = FakeKyutaiServer.start();
    await using service = await ServiceProcess.start({
      descriptorsMax: ENOUGH,
      environment: {
        LT_HPB_URL: hpb.hpbUrl,
        LT_INTERNAL_SECRET: hpb.internalSecret,
        NEXTCLOUD_URL: hpb.nextcloudUrl,
        STT_STREAM_URL: stt.url,
        MEDIA_WORKERS: workers,
      },
    });
    const base = service.baseUrl;
    await using call = await hpb.startCall();
    const listener = await call.addListener();
    const speaker = await call.addSpeaker();
    await enable(base, call.roomToken, listener);
    await eventually("the speaker is heard", async () => await metric(base, "tiro_speakers_heard") === 1);
    await say(speaker, ["red", "river"]);
    await listener.until(isFinal(["river"]), DEADLINE_MS);

    await using otherCall = await hpb.startCall();
    const otherListener = await otherCall.addListener();
    const otherSpeaker = await otherCall.addSpeaker();
    await enable(base, otherCall.roomToken, otherListener);
    // The newcomer is admitted while there are descriptors; with none they would be refused before an offer is requested.
    isHeld = true;
    const late = await call.addSpeaker();
    await asked.promise;
    // Nothing can be opened from here on: neither the newcomers' sockets nor the other call's speech-to-text.
    await service.limitDescriptors(5);
    isHeld = false;
    sent.resolve();
    await say(speaker, ["morning", "coffee"]);
    await listener.until(isFinal(["coffee"]), DEADLINE_MS);
    await eventually(
      "the log says what is missing",
      () => service.log.some((line) => line.includes("offer not answered") && line.includes("no_descriptor")),
      DEADLINE_MS,
    );
    assert.ok(service.isRunning);

    await service.limitDescriptors(ENOUGH);
    await eventually(
      "all are heard",
      async () => await metric(base, "tiro_speakers_heard") === 3,
      LIMITS.joinConnectMs + DEADLINE_MS,
    );
    await Promise.all([say(late, ["seven", "train"]), say(otherSpeaker, ["garden", "window"])]);
    await Promise.all([
      listener.until(isFinal(["train"]), DEADLINE_MS),
      otherListener.until(isFinal(["window"]), DEADLINE_MS),
    ]);
    const strays = service.log.filter((line) => /stray|internal error/.test(line));
    assert.deepEqual(strays, []);
    assert.equal(await service.stop(), 0, service.log.join("\n"));
  });
}
