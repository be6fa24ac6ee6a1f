/** A call while its database stops: no caption is lost, and no record. TEST_OUTAGE_S: for how long, 5 s without it. */
import assert from "@std/assert";
import { systemClock } from "../../src/flow/mod.ts";
import { openForReading } from "../../src/store/mod.ts";
import { isPostgresInstalled, PostgresServer } from "../fakes/postgres.ts";
import { createSilentLog } from "../fakes/telemetry.ts";
import { baseUrl, callOf, eventually, finals, isFinal, PHRASE, say, startWorld } from "./world.ts";

const OUTAGE_MS = 1_000 * Number(Deno.env.get("TEST_OUTAGE_S") ?? 5);
const SENTENCES = [PHRASE, ["garden", "weather", "evening"], ["window", "coffee", "garden"]];

Deno.test({
  name: `PostgreSQL stops for ${
    OUTAGE_MS / 1_000
  } s during a call: every caption is sent, and all of them are in the transcript`,
  ignore: !isPostgresInstalled,
  fn: async () => {
    await using server = await PostgresServer.start();
    const url = await server.url();
    await using world = await startWorld({
      environment: { TRANSCRIPTS: "on", AUDIT: "on", DATABASE_URL: url, TIRO_DATA_DIR: "/nowhere" },
    });
    const reasons = async () => {
      const health = await fetch(`${baseUrl(world.service)}/healthz`);
      await health.body?.cancel();
      return health.headers.get("x-tiro-degraded") ?? "";
    };
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    let said = 0;
    const saySome = async () => {
      const words = SENTENCES[said++ % SENTENCES.length];
      const heard = finals(listener.transcripts).length;
      await say(speaker, words);
      await eventually(
        `the caption of sentence ${said}`,
        () => listener.transcripts.some(isFinal(words)) && finals(listener.transcripts).length > heard,
      );
    };
    await saySome();
    await server.stop();
    const stoppedAtMs = performance.now();
    do await saySome(); while (performance.now() - stoppedAtMs < OUTAGE_MS);
    await eventually("/healthz says so", async () => (await reasons()).includes("records_delayed"), 20_000);
    await server.resume();
    await saySome();
    await speaker[Symbol.asyncDispose]();
    await eventually("what waited is written", async () => await reasons() === "", 40_000);
    await eventually("nothing waits", async () => await world.metric("tiro_records_waiting") === 0);
    assert.equal(await world.metric('tiro_records_total{fate="dropped"}'), 0);
    await using store = openForReading({
      ...{ dataFolder: "/nowhere", databaseUrl: url, clock: systemClock, log: createSilentLog() },
    });
    const [transcript, ...others] = await store.transcripts({});
    assert.deepEqual(others, []);
    const cues = await store.cues(transcript.id, 0, 1_000);
    assert.deepEqual(cues.map(({ text }) => text), finals(listener.transcripts));
    await eventually("the audit log has a line", async () => (await store.audit({})).length === 1);
  },
});
