/** From SIGTERM to exit: within its time, whichever peer does not respond. */
import assert from "@std/assert";
import { FakeHpb } from "../fakes/hpb.ts";
import { FakeIssuer } from "../fakes/issuer.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { FakeLibreTranslate } from "../fakes/translators.ts";
import { VoiceClient } from "../fakes/voice_client.ts";
import { ServiceProcess } from "../load/service_process.ts";
import { TcpRelay } from "../real/tcp_relay.ts";
import { eventually, isFinal, metric, post, say } from "./world.ts";

const EXIT_MS = 5_000;
type Peer = "HPB" | "recogniser" | "translator" | "media worker";
const CASES: { silent: readonly Peer[]; workers: string }[] = [
  { silent: ["HPB", "recogniser", "translator", "media worker"], workers: "1" },
  { silent: ["HPB", "recogniser", "translator"], workers: "0" },
  { silent: [], workers: "1" },
];

for (const { silent, workers } of CASES) {
  const who = silent.length === 0 ? "everybody answers" : `nothing comes from the ${silent.join(", the ")}`;
  Deno.test(`The service ends within 5 s of SIGTERM when ${who}`, async () => {
    await using hpb = await FakeHpb.start({ publishers: weriftPublisherFactory });
    await using stt = FakeKyutaiServer.start();
    await using translator = new FakeLibreTranslate();
    await using toHpb = new TcpRelay(Number(new URL(hpb.hpbUrl).port));
    await using toStt = new TcpRelay(Number(new URL(stt.url).port));
    await using service = await ServiceProcess.start({
      script: silent.includes("media worker") ? ["tests/integration/looping_main.ts"] : undefined,
      environment: {
        LT_HPB_URL: `http://127.0.0.1:${toHpb.port}`,
        LT_INTERNAL_SECRET: hpb.internalSecret,
        NEXTCLOUD_URL: hpb.nextcloudUrl,
        STT_STREAM_URL: `ws://127.0.0.1:${toStt.port}/v1/stream`,
        TRANSLATION_PROVIDER: "libretranslate",
        LIBRETRANSLATE_URL: translator.url,
        MEDIA_WORKERS: workers,
      },
    });
    const base = service.baseUrl;
    await using call = await hpb.startCall();
    const listener = await call.addListener();
    const speaker = await call.addSpeaker();
    const request = {
      roomToken: call.roomToken,
      ncSessionId: listener.ncSessionId,
      langId: "en",
      translationTargetLangId: "de",
    };
    await eventually("captions can be translated", async () => {
      const answer = await post(base, "/api/v1/call/transcribe", request);
      await answer.body?.cancel();
      return answer.ok;
    });
    await eventually("the speaker is heard", async () => await metric(base, "tiro_speakers_heard") === 1);
    await say(speaker, ["red", "river"]);
    await listener.until(isFinal(["Fluss"]), 10_000);

    translator.mood = silent.includes("translator") ? "silent" : "well";
    const saying = say(speaker, ["red", "river", "train", "seven"]);
    await stt.until(
      () => stt.connections.some(({ words }) => words.some(({ word }) => word === "train")),
      10_000,
    );
    toHpb.stalled = silent.includes("HPB");
    toStt.stalled = silent.includes("recogniser");
    const atMs = performance.now();
    const code = await service.stop();
    const tookMs = performance.now() - atMs;
    await saying;
    assert.equal(code, 0, service.log.join("\n"));
    assert.ok(tookMs < EXIT_MS, `${Math.round(tookMs)} ms`);
  });
}

Deno.test("The service ends within 5 s of SIGTERM when neither the database nor the issuer of a client's token replies", async () => {
  await using issuer = await FakeIssuer.start();
  await using stt = FakeKyutaiServer.start();
  using database = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const held: Deno.Conn[] = [];
  const accepting = (async () => {
    for await (const connection of database) held.push(connection);
  })();
  {
    await using service = await ServiceProcess.start({
      environment: {
        VOICE_JWT_ISSUER: issuer.url,
        STT_STREAM_URL: stt.url,
        TRANSCRIPTS: "on",
        AUDIT: "on",
        DATABASE_URL: `postgres://tiro:pass-word@127.0.0.1:${database.addr.port}/tiro?sslmode=disable`,
        MEDIA_WORKERS: "1",
      },
    });
    const base = service.baseUrl;
    const words = ["red", "river", "train"];
    await using speaker = await VoiceClient.open({ base, token: await issuer.token() });
    await speaker.say(padded(toneSpeech(words), 300, 1_500));
    await speaker.until(({ finals }) => finals.join(" ") === words.join(" "), 20_000);
    assert.ok(held.length > 0, "a transcript is to be written");
    await using waiting = await VoiceClient.open({ base, token: await issuer.token() });

    issuer.mood = "silent";
    const asked = issuer.asked.length;
    await issuer.addKey(); // the service has to ask for it
    await using verified = await VoiceClient.open({ base, token: await issuer.token() });
    await eventually("a token is being verified", () => issuer.asked.length > asked);
    await speaker.say(padded(toneSpeech(["seven"]), 0, 0));
    const atMs = performance.now();
    const code = await service.stop();
    const tookMs = performance.now() - atMs;
    assert.equal(code, 0, service.log.join("\n"));
    assert.ok(tookMs < EXIT_MS, `${Math.round(tookMs)} ms`);
    for (const client of [speaker, waiting, verified]) {
      await client.closed();
      assert.deepEqual(client.closedWith, { code: 4503, reason: "draining" });
    }
    assert.deepEqual(speaker.words, [...words, "seven"], "last words come before");
  }
  database.close();
  await accepting;
  for (const connection of held) connection.close();
});
