/**
 * Callers who break or besiege the REST API, and a call on real servers beside them: every word of both speakers arrives,
 * and those who may call are answered. The service is a process of its own, with as few descriptors as Linux gives.
 */
import assert from "@std/assert";
import { LIMITS } from "../../src/domain/mod.ts";
import type { TestParticipant, TestSpeaker } from "../fakes/call.ts";
import { RawHttp } from "../fakes/raw_http.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { eventually, finalText, say } from "../integration/world.ts";
import { ServiceProcess } from "../load/service_process.ts";
import { installedHpbVersions, onRealStack } from "../real/stack.ts";

const DEADLINE_MS = 30_000;
/** The soft limit of most systems. */
const DESCRIPTORS = 1_024;
const HALVES = 2_000;
const TOKEN = "0f1e2d3c4b5a69788796a5b4c3d2e1f0";
const RIGHT = { authorization: `Bearer ${TOKEN}`, connection: "close" };
const PHRASE = ["morning", "coffee", "window", "red", "north", "music", "river", "seven", "garden", "train"];
const OTHER_PHRASE = PHRASE.toReversed();

const [hpbVersion = "none"] = installedHpbVersions().toReversed();

/** Asks as the front end does. */
async function ask(base: string, path: string, body?: unknown): Promise<Response> {
  return await fetch(base + path, {
    method: body === undefined ? "GET" : "POST",
    headers: { ...RIGHT, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
    signal: AbortSignal.timeout(DEADLINE_MS),
  });
}

/** The sum of all series that begin so. */
async function metric(base: string, series: string): Promise<number> {
  const text = await (await ask(base, "/metrics")).text();
  const lines = text.split("\n").filter((line) => line.startsWith(series));
  return lines.reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" ") + 1)), 0);
}

async function assertRead(listener: TestParticipant, speaker: TestSpeaker, phrase: string[]) {
  await say(speaker, phrase);
  const read = () => finalText(listener.transcripts, speaker.sessionId);
  await eventually("all words read", () => read() === phrase.join(" "), DEADLINE_MS)
    .catch(() => assert.equal(read(), phrase.join(" ")));
}

/** Guesses until it is stopped, some at a time; resolves with how many guesses were answered with 200. */
async function guess(base: string, signal: AbortSignal): Promise<number> {
  let found = 0;
  const guesser = async () => {
    for (let n = 0; !signal.aborted; n++) {
      const headers = { authorization: `Bearer ${n}`, connection: "close" };
      const answer = await fetch(`${base}/metrics`, { headers, signal }).catch(() => undefined);
      await answer?.body?.cancel();
      if (answer?.ok) found++;
    }
  };
  await Promise.all(Array.from({ length: 20 }, guesser));
  return found;
}

Deno.test("2,000 half requests, guesses of the token and malformed hosts: every word arrives, and the front end is answered", () =>
  onRealStack({ hpbVersion }, async (stack) => {
    await using server = FakeKyutaiServer.start();
    await using service = await ServiceProcess.start({
      descriptorsMax: DESCRIPTORS,
      environment: {
        LT_HPB_URL: stack.hpbUrl,
        LT_INTERNAL_SECRET: stack.internalSecret,
        NEXTCLOUD_URL: stack.nextcloudUrl,
        LT_API_TOKEN: TOKEN,
        STT_PROVIDER: "modal",
        STT_STREAM_URL: server.url,
        MEDIA_WORKERS: "1",
        MAX_ROOMS: "20",
        MAX_SPEAKERS: "100",
      },
    });
    const base = service.baseUrl;
    const port = Number(new URL(base).port);
    const enable = async (listener: TestParticipant) => {
      const { ncSessionId } = listener;
      const answer = await ask(base, "/api/v1/call/transcribe", {
        ...{ roomToken: call.roomToken, ncSessionId, enable: true, langId: "en" },
      });
      assert.equal(answer.status, 200, await answer.text());
    };
    await using call = await stack.startCall();
    const listener = await call.addListener();
    const speaker = await call.addSpeaker();
    await enable(listener);
    const heard = (count: number) =>
      eventually("heard", async () => await metric(base, "tiro_speakers_heard") === count, DEADLINE_MS);
    await heard(1);

    const ending = new AbortController();
    const guessing = guess(base, ending.signal);
    const halves = await RawHttp.openHalves(port, HALVES);
    try {
      // Who speaks, who joins, who asks for captions: all of it beside the siege.
      const other = await call.addSpeaker();
      await heard(2);
      const late = await call.addListener();
      await enable(late);
      const host = async () => {
        for (let n = 0; n < 100; n++) {
          using malformed = await RawHttp.open(port);
          await malformed.send("GET /healthz HTTP/1.1\r\nHost: 5ecret [\r\n\r\n").catch(() => {});
          await malformed.readAll();
        }
      };
      await Promise.all([
        assertRead(listener, speaker, PHRASE),
        assertRead(late, other, OTHER_PHRASE),
        host(),
      ]);
      const health = await ask(base, "/healthz");
      await health.body?.cancel();
      assert.deepEqual([health.status, health.headers.get("x-tiro-degraded")], [200, null]);
      const open = await metric(base, "tiro_http_connections ");
      assert.ok(open <= Math.min(LIMITS.httpConnections, DESCRIPTORS / 8), `${open} connections`);
      assert.ok(await metric(base, 'tiro_http_connections_closed_total{reason="too_many"}') > HALVES / 2);
      assert.ok(await metric(base, 'tiro_http_wrong_credentials_total{answer="held"}') > 0);
    } finally {
      for (const half of halves) half[Symbol.dispose]();
      ending.abort();
    }
    assert.equal(await guessing, 0);
    assert.equal(await metric(base, "tiro_offers_requested_total"), 2, "each subscription is the first");
    const lines = service.log.join("\n");
    assert.ok(
      !lines.includes("5ecret") && !lines.includes(TOKEN) && !/EMFILE|request failed/.test(lines),
      lines,
    );
    assert.equal(await service.stop(), 0);
  }));
