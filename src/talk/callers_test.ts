import assert from "@std/assert";
import type { Caption } from "../domain/mod.ts";
import { CallerNames, speakerOf } from "./callers.ts";
import type { Participant } from "./signaling/mod.ts";

const participant = (sessionId: string, more: Partial<Participant>): Participant => (
  { sessionId, joined: true, inCall: 1, internal: false, virtual: false, stale: false, ...more }
);
const bridge = (id = "bridge") => participant(id, { internal: true, inCall: 3 });
const caller = (id: string, inCall = 9) => participant(id, { virtual: true, inCall });
const recorder = participant("recorder", { internal: true });
const person = participant("person", { inCall: 7 });

Deno.test("Who speaks through a bridge is certain while there is one bridge and one caller", () => {
  const speaker = (...all: Participant[]) => speakerOf("bridge", all);
  assert.equal(speaker(bridge(), caller("a"), person, recorder), "a");
  assert.equal(speaker(bridge(), caller("a", 11)), "a");
  assert.equal(speaker(bridge()), "bridge");
  assert.equal(speaker(bridge(), caller("a", 0)), "bridge", "put through, not in the call yet");
  assert.equal(speaker(bridge(), caller("a"), caller("b")), "bridge");
  assert.equal(speaker(bridge(), caller("a"), caller("b", 0)), "a");
  assert.equal(speaker(bridge(), bridge("another"), caller("a")), "bridge", "it may be the other's caller");
});

Deno.test("An utterance keeps the name it began with", () => {
  let speaks = "a";
  const names = new CallerNames(() => speaks);
  const named = (utterance: number, revision: number) => {
    const caption: Caption = {
      speakerId: "bridge",
      utterance,
      revision,
      languageId: "en",
      text: "words",
      final: false,
      spoken: { startMs: 0, endMs: 0 },
      receivedAtMs: 0,
    };
    const { speakerId, ...rest } = names.name(caption);
    assert.deepEqual({ ...rest, speakerId: "bridge" }, caption);
    return speakerId;
  };
  assert.equal(named(0, 0), "a");
  speaks = "bridge"; // another dials in
  assert.equal(named(0, 1), "a");
  assert.equal(named(1, 0), "bridge");
  speaks = "b";
  assert.equal(named(1, 1), "bridge");
  assert.equal(named(2, 1), "b", "its first revision was replaced before it left");
  speaks = "a";
  assert.equal(named(0, 0), "a", "the pipeline was replaced");
});
