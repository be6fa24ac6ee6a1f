/** Lists of the HPB that name only some of a call: nobody else loses a word by them. */
import assert from "@std/assert";
import { assertWellFormed, callOf, finalText, isFinal, PHRASE, say, startWorld } from "./world.ts";

type Entry = Record<string, unknown>;
/** A list while A speaks, sent for the session of B, who only listens. */
const LISTS: Record<string, (b: string) => { users?: Entry[]; changed?: Entry[] }> = {
  "names another as in the call": (b) => ({ users: [{ sessionId: b, inCall: 1 }] }),
  "says that another left the call": (b) => ({ users: [{ sessionId: b, inCall: 0 }] }),
  "tells of another's permissions only": (b) => ({ users: [{ sessionId: b, participantPermissions: 254 }] }),
  "has only what changed": (b) => ({ changed: [{ sessionId: b, inCall: 1 }] }),
  "names only internal sessions, each twice": () => {
    const internal = ["recorder", "tiro", "recorder", "tiro"].map((sessionId) => (
      { sessionId, inCall: 1, internal: true }
    ));
    return { users: internal };
  },
  "names nobody": () => ({ users: [] }),
  "has nobody's list": () => ({}),
};

for (const [name, list] of Object.entries(LISTS)) {
  Deno.test(`A list that ${name} costs the speaker no word`, async () => {
    await using world = await startWorld();
    const { call, listener, speaker } = await callOf(world);
    await using _call = call;
    const saying = say(speaker, PHRASE);
    await listener.until(({ message }) => message.startsWith(PHRASE[0]), 10_000);
    const update = { roomid: call.roomToken, ...list(listener.sessionId) };
    const event = { target: "participants", type: "update", update };
    world.hpb.hub.sendToInternal(call.roomToken, JSON.stringify({ type: "event", event }));
    await saying;
    await listener.until(isFinal(PHRASE), 5_000).catch(() =>
      assert.fail(`read only "${finalText(listener.transcripts)}"`)
    );
    assert.equal(finalText(listener.transcripts, speaker.sessionId), PHRASE.join(" "));
    assertWellFormed(listener.transcripts);
    assert.equal(await world.metric('tiro_offers_requested_total{reason="joined"}'), 1, "asked for once");
  });
}

Deno.test("A room that gets another name costs the speaker no word", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const saying = say(speaker, PHRASE);
  await listener.until(({ message }) => message.startsWith(PHRASE[0]), 10_000);
  const { hpb } = world;
  await hpb.nextcloud.changeRoom(hpb.hpbUrl, call.roomToken, { name: "another name" });
  await saying;
  await listener.until(isFinal(PHRASE), 5_000).catch(() =>
    assert.fail(`read only "${finalText(listener.transcripts)}"`)
  );
  assert.equal(finalText(listener.transcripts, speaker.sessionId), PHRASE.join(" "));
  assert.equal(await world.metric("transcription_speakers_active"), 1);
});

Deno.test("A participant who left the room and is still in lists is not requested", async () => {
  await using world = await startWorld();
  const { call, listener, speaker } = await callOf(world);
  await using _call = call;
  const nowS = Math.floor(Date.now() / 1_000) - 3_600; // Nextcloud's clock is not ours
  const users = [
    { sessionId: listener.sessionId, inCall: 1, lastPing: nowS },
    { sessionId: speaker.sessionId, inCall: 3, lastPing: nowS - 20 },
    { sessionId: "ghost", inCall: 3, lastPing: nowS - 300 },
    { sessionId: "tiro", inCall: 1, internal: true, lastPing: Math.floor(Date.now() / 1_000) },
  ];
  const update = { roomid: call.roomToken, users };
  const event = { target: "participants", type: "update", update };
  world.hpb.hub.sendToInternal(call.roomToken, JSON.stringify({ type: "event", event }));
  await say(speaker, ["red", "river"]);
  await listener.until(isFinal(["river"]), 10_000);
  assert.deepEqual(world.hpb.hub.offersRequested, [speaker.sessionId]);
  assert.equal(await world.metric('tiro_signaling_ignored_total{reason="ghost"}'), 1);
});
