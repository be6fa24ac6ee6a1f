/** A whole service that reaches nobody but through a proxy. */
import assert from "@std/assert";
import { startService } from "../../src/app.ts";
import { loadConfig } from "../../src/config/mod.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { FakeProxy } from "../fakes/proxy.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { FakeLog } from "../fakes/telemetry.ts";
import { FakeLibreTranslate, inOtherWords } from "../fakes/translators.ts";
import { baseUrl, enable, eventually, isFinal, metric, PHRASE, post, say } from "./world.ts";

const portOf = (url: string) => Number(new URL(url).port);

for (const workers of ["0", "1"]) {
  Deno.test(`Captions come through a proxy, from every peer there is, with ${workers} media workers`, async () => {
    await using stack = new AsyncDisposableStack();
    const hpb = stack.use(await FakeHpb.start({ publishers: weriftPublisherFactory }));
    const stt = stack.use(FakeKyutaiServer.start());
    const translator = stack.use(new FakeLibreTranslate());
    const hosts = {
      "hpb.example": portOf(hpb.hpbUrl),
      "cloud.example": portOf(hpb.nextcloudUrl),
      "stt.example": portOf(stt.url),
      "translator.example": portOf(translator.url),
    };
    const proxy = stack.use(new FakeProxy({ hosts, credentials: "tiro:5ecret" }));
    const log = new FakeLog();
    const config = loadConfig({
      LT_HPB_URL: "http://hpb.example",
      LT_INTERNAL_SECRET: hpb.internalSecret,
      NEXTCLOUD_URL: "http://cloud.example",
      STT_STREAM_URL: `ws://stt.example${new URL(stt.url).pathname}`,
      TRANSLATION_PROVIDER: "libretranslate",
      LIBRETRANSLATE_URL: "http://translator.example",
      http_proxy: proxy.url,
      no_proxy: ".internal.example",
      ALL_PROXY: "socks5://socks.example",
      PORT: "0",
      MEDIA_WORKERS: workers,
    });
    const service = stack.use(
      await startService(config, log, { readSystemFile: () => Promise.resolve(undefined) }),
    );
    const base = baseUrl(service);
    const call = stack.use(await hpb.startCall());
    const [listener, german] = [await call.addListener(), await call.addListener()];
    await enable(base, call.roomToken, listener);
    const speaker = await call.addSpeaker();
    await eventually("heard", async () => await metric(base, "tiro_speakers_heard") === 1);
    const wanted = {
      roomToken: call.roomToken,
      ncSessionId: german.ncSessionId,
      translationTargetLangId: "de",
    };
    await eventually("the translator's languages are known", async () => {
      const answer = await (await post(base, "/api/v1/call/transcribe", wanted)).json();
      return answer.message === "Transcription requested";
    });
    await say(speaker, PHRASE);
    await listener.until(isFinal(PHRASE), 20_000);
    await german.until(
      ({ final, message }) => final && message.endsWith(inOtherWords(PHRASE.at(-1)!, "de")),
      20_000,
    );

    const reached = new Set(
      proxy.asked.map((line) => new URL(line.split(" ")[1].replace(/^(?!http)/, "tcp://")).hostname),
    );
    assert.deepEqual([...reached].sort(), Object.keys(hosts).sort());
    assert.deepEqual(
      log.lines.filter(({ message }) => /prox/.test(message)).map(({ level, fields }) => [level, fields]),
      [
        ["info", { peers: "signaling, nextcloud, recogniser, translator" }],
        ["warn", { variable: "ALL_PROXY" }],
      ],
    );
    assert.doesNotMatch(JSON.stringify(log.lines), /5ecret/);
  });
}
