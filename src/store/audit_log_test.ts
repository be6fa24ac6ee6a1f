import assert from "@std/assert";
import type { AuditRecord, SessionAbout, SpeakerPart } from "../domain/mod.ts";
import { FakeRecords } from "../../tests/fakes/records.ts";
import { AuditLog } from "./audit_log.ts";

const PART: SpeakerPart = {
  ...{ speakerId: "speaker", languageId: "en", outcome: "completed" },
  ...{ startedAtMs: 1_700_000_000_000, durationMs: 4_000.4, audioMs: 2_399.6 },
  providers: ["local", "vosk"],
};

async function linesOf(
  about: SessionAbout,
  parts: readonly Partial<SpeakerPart>[],
  digestKey = "a key",
): Promise<AuditRecord[]> {
  const records = new FakeRecords();
  const events = new AuditLog({ records, digestKey }).opened(about);
  events.caption({
    ...{ speakerId: "speaker", text: "words", final: true, utterance: 0, revision: 0, languageId: "en" },
    ...{ receivedAtMs: 0, spoken: { startMs: 0, endMs: 1_000 } },
  }, "Ada");
  for (const part of parts) events.speakerEnded({ ...PART, ...part });
  events.closed();
  return await records.store.audit({});
}

Deno.test("A voice session's part is a line of who, when, how long and by what", async () => {
  const about = { door: "voice", name: "session-1", userId: "ada", tenantId: "acme" };
  const [{ id, ...line }, ...others] = await linesOf(about, [{}]);
  assert.deepEqual(line, {
    ...{ door: "voice", session: "session-1", speakerId: "speaker", userId: "ada", tenantId: "acme" },
    ...{ startedAtMs: 1_700_000_000_000, durationMs: 4_000, audioMs: 2_400 },
    ...{ languageId: "en", provider: "local,vosk", outcome: "completed" },
  });
  assert.match(id, /^[\da-f-]{36}$/);
  assert.deepEqual(others, []);
});

Deno.test("A Talk call has a line a speaker, without its token, words or names", async () => {
  const about = { door: "talk", name: "r00mt0k3n" };
  const lines = await linesOf(about, [
    { userId: "ada" },
    { speakerId: "guest", outcome: "refused", providers: [], audioMs: 0, startedAtMs: PART.startedAtMs + 1 },
  ]);
  assert.deepEqual(lines.map(({ userId, outcome, provider }) => [userId, outcome, provider]), [
    ["ada", "completed", "local,vosk"],
    [undefined, "refused", ""],
  ]);
  assert.notEqual(lines[0].id, lines[1].id);
  assert.notEqual(lines[0].speakerId, lines[1].speakerId);
  const [{ session }] = lines;
  assert.equal(lines[1].session, session);
  assert.match(session, /^[\w-]{16}$/);
  assert.ok(!/r00mt0k3n|speaker"?:"speaker|guest|words|Ada/.test(JSON.stringify(lines)));
});

Deno.test("A room's digest is the same at each call, and another with another key or door", async () => {
  const digest = async (about: SessionAbout, key?: string) => (await linesOf(about, [{}], key))[0].session;
  const about = { door: "talk", name: "r00mt0k3n" };
  assert.equal(await digest(about), await digest(about));
  assert.notEqual(await digest(about), await digest({ ...about, name: "another" }));
  assert.notEqual(await digest(about), await digest(about, "another key"));
  assert.notEqual(await digest(about), await digest({ ...about, door: "recording" }));
});

Deno.test("A session that was refused has a line, unless it was open: then its speaker has", async () => {
  const records = new FakeRecords();
  const audit = new AuditLog({ records, digestKey: "a key", unixNowMs: () => PART.startedAtMs });
  const about = (name: string) => ({ door: "voice", name, userId: "ada", tenantId: "acme" });
  audit.refused(about("refused"), 12.3);
  const events = audit.opened(about("opened"));
  audit.refused(about("opened"), 5);
  events.closed();
  const [{ id: _id, ...line }, ...others] = await records.store.audit({});
  assert.deepEqual(line, {
    ...{ door: "voice", session: "refused", speakerId: "", userId: "ada", tenantId: "acme" },
    ...{
      startedAtMs: PART.startedAtMs - 12,
      durationMs: 12,
      audioMs: 0,
      languageId: "und",
      provider: "",
      outcome: "refused",
    },
  });
  assert.deepEqual(others, []);
  audit.refused(about("opened"), 5);
  assert.equal((await records.store.audit({})).length, 2, "it is not open any more");
});
