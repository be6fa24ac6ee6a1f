/** The shell of audio that a door sends: what it asks for in time, and what it reports. */
import assert from "@std/assert";
import { UnavailableError } from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { type DoorAudio, openDoorSource } from "./door_source.ts";

class FakeAudio implements DoorAudio<"pcm"> {
  readonly chunks = {} as DoorAudio<"pcm">["chunks"];
  readonly calls: string[] = [];
  dueAtMs: number | undefined;
  aheadMs = 0;
  error: Error | undefined;
  receive(_request: unknown, nowMs: number) {
    this.calls.push("receive");
    this.dueAtMs = nowMs + 300;
  }
  nextDeadline = () => this.dueAtMs;
  due() {
    if (this.error) throw this.error;
    this.calls.push("due");
    this.dueAtMs = undefined;
  }
  flush() {
    this.calls.push("flush");
    this.dueAtMs = undefined;
  }
}

function setup() {
  const [audio, clock, scope] = [new FakeAudio(), new FakeClock(), new Scope("speaker")];
  let heard = 0;
  const source = openDoorSource<"pcm">(audio, { scope, clock, onAudio: () => void heard++ });
  return {
    ...{ audio, clock, scope, source },
    heard: () => heard,
    send: () => source.request({ type: "audio", bytes: new Uint8Array(2) }),
  };
}

Deno.test("What is held is due once the audio stops, and not before", async () => {
  const { audio, clock, scope, send, heard } = setup();
  for (let index = 0; index < 5; index++) {
    await send();
    await clock.advance(200);
  }
  assert.ok(!audio.calls.includes("due"));
  await clock.advance(100);
  assert.deepEqual(audio.calls.slice(-2), ["receive", "due"]);
  assert.equal(clock.pending, 0);
  assert.equal(heard(), 1, "audio is reported once");
  await scope[Symbol.asyncDispose]();
});

Deno.test("After its end audio is refused, and nothing is due", async () => {
  const { audio, clock, scope, source, send } = setup();
  await send();
  source.end();
  source.end();
  assert.equal(clock.pending, 0);
  await assert.rejects(send(), UnavailableError);
  assert.deepEqual(audio.calls, ["receive", "flush"]);
  await scope[Symbol.asyncDispose]();
});

Deno.test("An error at the deadline fails the speaker, and a speaker that is closed leaves no timer", async () => {
  const failing = setup();
  const failed = failing.scope.failed;
  failing.audio.error = new Error("no memory");
  await failing.send();
  await failing.clock.advance(300);
  assert.equal(await failed, failing.audio.error);
  await failing.scope[Symbol.asyncDispose]();

  const { clock, scope, send } = setup();
  await send();
  await scope[Symbol.asyncDispose]();
  await settle();
  assert.equal(clock.pending, 0);
});

Deno.test("A sender that is ahead of real time waits for its reply, until it no longer is or the speaker ends", async () => {
  const { audio, clock, scope, send } = setup();
  audio.aheadMs = 3_000;
  await send();
  audio.aheadMs = 4_200;
  let replies = 0;
  const replied = send().then(() => replies++);
  await clock.advance(1_199);
  assert.equal(replies, 0);
  await clock.advance(1);
  assert.equal(replies, 1);
  await replied;
  const last = assert.rejects(send(), { name: "AbortError" });
  await scope[Symbol.asyncDispose]();
  await last;
  assert.equal(clock.pending, 0);
});
