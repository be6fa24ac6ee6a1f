import assert from "@std/assert";
import type { HostedSpeaker, SpeakerEvents, SpeakerHost } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { SessionSpeaker } from "./speaker.ts";

Deno.test("A pipeline that is being closed reports nothing about the one after it", async () => {
  await using scope = new Scope("speaker");
  const pipelines: SpeakerEvents[] = [];
  const host: SpeakerHost = {
    open(_options, events): HostedSpeaker<never> {
      pipelines.push(events as SpeakerEvents);
      return {
        send() {},
        request: () => Promise.reject(new Error("not in this test")),
        setLanguage() {},
        setWords() {},
        drain: () => Promise.resolve(),
        closed: Promise.resolve(undefined),
        [Symbol.asyncDispose]: () => Promise.resolve(),
      };
    },
  };
  const failures: unknown[] = [];
  const speaker = new SessionSpeaker({
    ...{ id: "ben", languageId: "en", source: { kind: "webrtc" }, host, scope },
    ...{ log: new FakeLog(), meter: new FakeMeter() },
    onCaption() {},
    onFailed: (error) => failures.push(error),
  });
  speaker.open();
  speaker.close();
  speaker.open();
  pipelines[0].receiving();
  assert.ok(!speaker.isReceiving);
  pipelines[0].failed(new Error("late"));
  assert.ok(speaker.isOpen);
  assert.equal(failures.length, 0);
  pipelines[1].receiving();
  assert.ok(speaker.isReceiving);
  pipelines[1].failed(new Error("its own"));
  assert.deepEqual([speaker.isOpen, failures.length], [false, 1]);
});
