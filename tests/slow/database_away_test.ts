/** PostgreSQL stops for half a minute during a call: no caption is lost, and afterwards no record is missing. */
import assert from "@std/assert";
import { delay } from "../../src/flow/mod.ts";
import { isPostgresInstalled, PostgresServer } from "../fakes/postgres.ts";
import { callOf, eventually, isFinal, say, startWorld, type World } from "../integration/world.ts";

const AWAY_MS = 30_000;
const NEVER = new AbortController().signal;
/** The toy language has more words than a round needs; each round ends with another one. */
const ENDS = ["train", "meeting", "garden", "weather"];

const reasons = async ({ service }: World) => {
  const answer = await fetch(`http://127.0.0.1:${service.address.port}/healthz`);
  await answer.body?.cancel();
  return answer.headers.get("x-tiro-degraded") ?? "";
};

Deno.test({
  name: "PostgreSQL is stopped for 30 s during a call, and no caption and no record is lost",
  // Debian's package postgresql, which scripts/test installs.
  ignore: !isPostgresInstalled,
  async fn() {
    await using database = await PostgresServer.start();
    const url = await database.url();
    await using world = await startWorld({
      environment: { TRANSCRIPTS: "on", AUDIT: "on", DATABASE_URL: url },
    });
    const { call, listener, speaker } = await callOf(world);
    const spoken: string[] = [];
    const round = async (name: string) => {
      const words = ["red", "river", name];
      spoken.push(words.join(" "));
      const before = listener.transcripts.length;
      await say(speaker, words);
      await listener.until(
        (each) => listener.transcripts.indexOf(each) >= before && isFinal(words)(each),
        10_000,
      );
    };
    const kept = async () => Number(await database.query("SELECT count(*) FROM cues", url));

    await round(ENDS[0]);
    await eventually("the first cue is kept", async () => await kept() === 1);
    await database.stop();
    const backAtMs = performance.now() + AWAY_MS;
    for (let n = 1; performance.now() < backAtMs - 4_000; n++) await round(ENDS[n % ENDS.length]);
    assert.match(await reasons(world), /records_delayed/);
    await delay(Math.max(0, backAtMs - performance.now()), NEVER);
    await database.resume();
    await round(ENDS[0]);

    const finals = listener.transcripts.filter(({ final }) => final).map(({ message }) => message);
    assert.deepEqual(finals.join(" ").toLowerCase(), spoken.join(" "), "every caption, once, in order");
    await eventually("all cues are kept", async () => await kept() === finals.length, 30_000);
    assert.deepEqual(
      (await database.query("SELECT text FROM cues ORDER BY cue_index", url)).split("\n"),
      finals,
    );
    await eventually("healthy again", async () => !/records/.test(await reasons(world)), 30_000);
    await speaker[Symbol.asyncDispose]();
    await eventually(
      "the audit log has the speaker",
      async () => await database.query("SELECT outcome FROM audit_logs", url) === "completed",
      30_000,
    );
    await call[Symbol.asyncDispose]();
  },
});
