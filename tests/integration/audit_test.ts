/** The audit log of a whole service: a line for each speaker's part, and nothing that was said or how people are called. */
import assert from "@std/assert";
import type { AuditRecord } from "../../src/domain/mod.ts";
import { systemClock } from "../../src/flow/mod.ts";
import { openForReading } from "../../src/store/mod.ts";
import { createSilentLog } from "../fakes/telemetry.ts";
import { padded } from "../fakes/speech.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { startVoice } from "./voice_world.ts";
import { eventually, isFinal, PHRASE, say, startWorld, type World } from "./world.ts";

const OTHER_PHRASE = ["garden", "weather", "evening"];

async function withAudit(test: (world: World, folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-audit-" });
  try {
    await using world = await startWorld({ environment: { AUDIT: "on", TIRO_DATA_DIR: folder } });
    await test(world, folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

async function linesIn(folder: string): Promise<AuditRecord[]> {
  await using store = openForReading({ dataFolder: folder, clock: systemClock, log: createSilentLog() });
  return await store.audit({});
}

/** Ada, a user, and a guest; each says a phrase. */
async function conversation({ hpb, enable, heard }: World) {
  hpb.nextcloud.displayNames.set("ada.l", "Countess Lovelace");
  const call = await hpb.startCall();
  const listener = await call.addListener();
  await enable(call.roomToken, listener);
  const [ada, guest] = [await call.addSpeaker("ada.l"), await call.addSpeaker()];
  const sessionIds = [ada.sessionId, guest.sessionId];
  await heard(2);
  await Promise.all([say(ada, PHRASE), say(guest, OTHER_PHRASE)]);
  await listener.until(isFinal(PHRASE), 10_000);
  await listener.until(isFinal(OTHER_PHRASE), 10_000);
  return { call, ada, guest, sessionIds };
}

Deno.test("Each speaker of a call has a line with the audio, the recogniser and the outcome", () =>
  withAudit(async (world, folder) => {
    const beganMs = Date.now();
    const { call, ada, guest } = await conversation(world);
    await using _call = call;
    await ada[Symbol.asyncDispose]();
    await guest[Symbol.asyncDispose]();
    await eventually("two lines", async () => (await linesIn(folder)).length === 2);
    const lines = (await linesIn(folder)).toSorted((a, b) => b.audioMs - a.audioMs);
    assert.deepEqual(
      lines.map((
        { userId, languageId, provider, outcome, door },
      ) => [userId, languageId, provider, outcome, door]),
      [
        ["ada.l", "en", "modal", "completed", "talk"],
        [undefined, "en", "modal", "completed", "talk"],
      ],
    );
    let sentMs = 0;
    for (const { startedAtMs, durationMs, audioMs } of lines) {
      assert.ok(startedAtMs >= beganMs && startedAtMs + durationMs <= Date.now() + 100);
      assert.ok(audioMs >= 500 && audioMs <= durationMs + 1_000, `${audioMs} ms of ${durationMs} ms`);
      sentMs += audioMs;
    }
    let ledgerMs = 0;
    await eventually(`the ledger's ${sentMs} ms`, async () => {
      ledgerMs = 1_000 * await world.metric('tiro_audio_seconds_total{fate="sent"}');
      return Math.abs(ledgerMs - sentMs) <= 500;
    });
    assert.equal(lines[0].session, lines[1].session);
  }));

Deno.test("At the end of the service the lines of those in a call are written, and no word or name", async () => {
  await withAudit(async (world, folder) => {
    const { call, sessionIds } = await conversation(world);
    await world.service.drain();
    await world.service[Symbol.asyncDispose]();
    const lines = await linesIn(folder);
    assert.deepEqual(lines.map(({ outcome, provider }) => [outcome, provider]), [
      ["drained", "modal"],
      ["drained", "modal"],
    ]);
    assert.ok(lines.every(({ audioMs }) => audioMs >= 500), "as much as without a shutdown");
    const secrets = [...PHRASE, ...OTHER_PHRASE, "Countess", "Lovelace", call.roomToken, ...sessionIds]
      .filter(({ length }) => length > 3);
    for await (const { name } of Deno.readDir(folder)) {
      const text = new TextDecoder("latin1").decode(await Deno.readFile(`${folder}/${name}`));
      assert.deepEqual(secrets.filter((secret) => text.includes(secret)), [], name);
    }
    await call[Symbol.asyncDispose]();
  });
});

Deno.test("A voice session has a line with its user and tenant, and one that is refused too", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tiro-audit-" });
  try {
    await using world = await startVoice({ AUDIT: "on", TIRO_DATA_DIR: folder, VOICE_RATE_LIMIT: "1" });
    const token = await world.issuer.token({ user_id: "u-7", opco_id: "school" });
    await using client = await world.connect({ token });
    client.control({ type: "start" });
    await client.ready();
    await client.say(padded(toneSpeech(PHRASE), 300, 300));
    client.control({ type: "stop" });
    await client.closed();
    await using refused = await world.connect({ token });
    await refused.closed();
    assert.equal(refused.closedWith?.reason, "rate_limited");
    await using stranger = await world.connect({ token: "abc.def" });
    await stranger.closed();
    await eventually("two lines", async () => (await linesIn(folder)).length === 2);
    const lines = await linesIn(folder);
    assert.deepEqual(
      lines.map((
        { door, userId, tenantId, outcome, provider, languageId },
      ) => [door, userId, tenantId, outcome, provider, languageId]),
      [
        ["voice", "u-7", "school", "completed", "modal", "en"],
        ["voice", "u-7", "school", "refused", "", "und"],
      ],
    );
    assert.equal(lines[0].session, client.messages.find(({ type }) => type === "ready")?.session);
    const { audioMs = 0 } = client.last ?? {};
    assert.ok(Math.abs(lines[0].audioMs - audioMs) <= 500, `${lines[0].audioMs} ms of ${audioMs} ms`);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
