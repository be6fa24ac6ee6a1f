/** Opening a session: credentials, cold containers, and servers of another protocol. */
import assert from "@std/assert";
import type { SttEvent } from "../../domain/mod.ts";
import { systemClock } from "../../flow/mod.ts";
import { FakeClock } from "../../../tests/fakes/clock.ts";
import { FakeKyutaiServer } from "../../../tests/fakes/stt.ts";
import { FakeMeter } from "../../../tests/fakes/telemetry.ts";
import { healthUrl, modalStt } from "./speech_to_text.ts";
import { connect, frame, FRAME_MS, macrotask, NEVER, sttErrorOf } from "./speech_to_text_testing_test.ts";

Deno.test("Refused credentials are not retryable, an unreachable server is; neither error has the address", async () => {
  await using server = FakeKyutaiServer.start({ requireHeaders: { key: "right", secret: "right" } });
  const settings = { url: server.url, meter: new FakeMeter(), clock: systemClock };
  const open = (key?: string) =>
    modalStt({ ...settings, key, secret: "right" }).open({ languageId: "fr" }, NEVER);
  const refused = await sttErrorOf(open("wrong"));
  assert.deepEqual([refused.code, refused.retryable], ["stt_unauthorized", false]);
  assert.equal((await sttErrorOf(open())).code, "stt_unauthorized");
  server.refuseConnections = true;
  const unreachable = await sttErrorOf(open("right"));
  assert.deepEqual([unreachable.code, unreachable.retryable], ["stt_unreachable", true]);
  for (const error of [refused, unreachable]) {
    for (let cause: unknown = error; cause instanceof Error; cause = cause.cause) {
      assert.doesNotMatch(cause.message, /127\.0\.0\.1|right|wrong/);
    }
  }
});

Deno.test("Waking requests the server's health with the same headers, and waits until it has started", async () => {
  await using server = FakeKyutaiServer.start({ requireHeaders: { key: "right", secret: "right" } });
  const settings = { url: server.url, meter: new FakeMeter(), clock: systemClock };
  const wake = (key: string, signal = NEVER) =>
    modalStt({ ...settings, key, secret: "right" }).wake?.(signal) ??
      Promise.reject(new Error("cannot wake"));
  assert.equal((await sttErrorOf(wake("wrong"))).code, "stt_unauthorized");
  server.sleep(200);
  const startMs = performance.now();
  await wake("right");
  assert.ok(performance.now() - startMs >= 190);
  assert.deepEqual([server.healthRequests, server.handshakes, server.live], [2, 0, 0]);
  server.sleep(100_000);
  const abort = new AbortController();
  const waking = wake("right", abort.signal).catch((error: unknown) => error);
  await server.until(() => server.healthRequests === 3);
  const reason = new DOMException("left", "AbortError");
  abort.abort(reason);
  assert.equal(await waking, reason);
  const nobody = modalStt({ ...settings, url: "ws://127.0.0.1:9/v1/stream" });
  assert.equal((await sttErrorOf(nobody.wake?.(NEVER) ?? Promise.resolve())).code, "stt_unreachable");
});

Deno.test("The health URL is derived from the stream's URL", () => {
  const health = {
    "wss://acme--kyutai.modal.run/v1/stream": "https://acme--kyutai.modal.run/health",
    "ws://10.0.0.1:8080/stt/v1/stream?x=1": "http://10.0.0.1:8080/stt/health",
    "wss://stt.example/asr": "https://stt.example/health",
  };
  for (const [stream, expected] of Object.entries(health)) assert.equal(healthUrl(stream), expected);
});

Deno.test("Opening waits for a cold container, and an abort meanwhile leaves nothing behind", async () => {
  await using server = FakeKyutaiServer.start();
  server.coldFor(200);
  const stt = modalStt({ url: server.url, meter: new FakeMeter(), clock: systemClock });
  await (await stt.open({ languageId: "en" }, NEVER))[Symbol.asyncDispose]();
  server.coldFor(100_000);
  const abort = new AbortController();
  const opening = stt.open({ languageId: "en" }, abort.signal).catch((error: unknown) => error);
  await server.until(() => server.handshakes === 2);
  const reason = new DOMException("left", "AbortError");
  abort.abort(reason);
  assert.equal(await opening, reason);
});

Deno.test("A server of another protocol fails the session within ten seconds of voice, and is named", async () => {
  const names = {
    vosk: /Vosk/,
    voskSilent: /Vosk/,
    moshi: /moshi-server \(MessagePack\)/,
    echo: /an echo of the audio/,
    deepgram: /Deepgram/,
    binary: /binary messages/,
    text: /text messages/,
  };
  for (const [foreign, name] of Object.entries(names)) {
    await using call = await connect({ foreign, clock: new FakeClock() });
    const received: SttEvent[] = [];
    const failed = sttErrorOf((async () => {
      for await (const event of call.session.events) received.push(event);
    })());
    failed.catch(() => {});
    let sentMs = 0;
    for (; sentMs < 10_000; sentMs += FRAME_MS) {
      try {
        await call.session.write(frame());
      } catch {
        break;
      }
      await call.server.until(() => call.record.receivedMs === sentMs + FRAME_MS);
      await macrotask();
    }
    assert.ok(sentMs < 10_000, `${foreign}: taken for alive`);
    const error = await failed;
    assert.deepEqual([error.code, error.retryable], ["stt_foreign", false], foreign);
    assert.match(error.message, name);
    assert.deepEqual(received, [], `${foreign}: nothing of it is a caption`);
    assert.equal((await sttErrorOf(call.session.write(frame()))).code, "stt_foreign");
  }
});
