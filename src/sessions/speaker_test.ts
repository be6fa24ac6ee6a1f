import assert from "@std/assert";
import {
  type HostedSpeaker,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerPart,
  type SpeakerUse,
  UnavailableError,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeClock, settle } from "../../tests/fakes/clock.ts";
import { FakeLog, FakeMeter } from "../../tests/fakes/telemetry.ts";
import { SessionSpeaker } from "./speaker.ts";

const BEGAN_UNIX_MS = 1_700_000_000_000;

class FakePipeline implements HostedSpeaker<never> {
  readonly #closed = Promise.withResolvers<SpeakerUse | undefined>();
  readonly closed = this.#closed.promise;
  /** Undefined: its worker was lost. */
  use: SpeakerUse | undefined = { audioMs: 0, providers: [] };
  isDisposed = false;
  closing: Promise<void> = Promise.resolve();

  constructor(readonly events: SpeakerEvents) {}

  send() {}
  setLanguage() {}
  setWords() {}
  request() {
    return Promise.reject(new Error("not in this test"));
  }
  drain() {
    return Promise.resolve();
  }
  async [Symbol.asyncDispose]() {
    try {
      await this.closing;
    } finally {
      this.isDisposed = true;
      this.#closed.resolve(this.use);
    }
  }
}

function makeSpeaker(userId?: () => string | undefined) {
  const [clock, scope] = [new FakeClock(5_000), new Scope("speaker")];
  const pipelines: FakePipeline[] = [];
  const host: SpeakerHost & { refuses: boolean } = {
    refuses: false,
    open(_options, events): HostedSpeaker<never> {
      if (this.refuses) throw new UnavailableError("Cannot caption a speaker: full", "speakers_max");
      const pipeline = new FakePipeline(events as SpeakerEvents);
      pipelines.push(pipeline);
      return pipeline;
    },
  };
  const failures: unknown[] = [];
  const parts: SpeakerPart[] = [];
  const session = { isShuttingDown: false, speakerEnded: (part: SpeakerPart) => void parts.push(part) };
  const speaker = new SessionSpeaker({
    ...{ id: "ben", languageId: "en", source: { kind: "webrtc" }, host, session, userId, scope, clock },
    ...{ log: new FakeLog(), meter: new FakeMeter() },
    unixNowMs: () => BEGAN_UNIX_MS + clock.now() - 5_000,
    onCaption() {},
    onFailed: (error) => failures.push(error),
  });
  return { speaker, host, session, pipelines, failures, parts, clock, scope };
}

Deno.test("A pipeline that is being closed reports nothing about the one after it", async () => {
  const { speaker, pipelines, failures } = makeSpeaker();
  await using _speaker = speaker;
  speaker.open();
  speaker.close();
  speaker.open();
  pipelines[0].events.receiving();
  assert.ok(!speaker.isReceiving);
  pipelines[0].events.failed(new Error("late"));
  assert.ok(speaker.isOpen);
  assert.equal(failures.length, 0);
  pipelines[1].events.receiving();
  assert.ok(speaker.isReceiving);
  pipelines[1].events.failed(new Error("its own"));
  assert.deepEqual([speaker.isOpen, failures.length], [false, 1]);
});

Deno.test("A speaker's part is reported once, when the pipeline is closed, from the first audio on", async () => {
  const known: { userId?: string } = {};
  const { speaker, pipelines, parts, clock } = makeSpeaker(() => known.userId);
  speaker.open();
  known.userId = "ben.nevis";
  await clock.advance(2_000);
  pipelines[0].events.receiving();
  await clock.advance(3_000);
  pipelines[0].events.receiving();
  speaker.setLanguage("fr");
  await clock.advance(1_000);
  const closing = Promise.withResolvers<void>();
  pipelines[0].closing = closing.promise;
  pipelines[0].use = { audioMs: 2_400, providers: ["vosk"] };
  const ended = speaker[Symbol.asyncDispose]();
  await settle();
  assert.deepEqual(parts, [], "its last audio may still be counted");
  closing.resolve();
  await ended;
  await speaker[Symbol.asyncDispose]();
  assert.deepEqual(parts, [{
    ...{ speakerId: "ben", userId: "ben.nevis", languageId: "fr", outcome: "completed" },
    ...{ startedAtMs: BEGAN_UNIX_MS + 2_000, durationMs: 4_000, audioMs: 2_400, providers: ["vosk"] },
  }]);
});

Deno.test("What pipelines one after the other have used is added up", async () => {
  const { speaker, pipelines, parts } = makeSpeaker();
  speaker.open();
  pipelines[0].use = { audioMs: 1_000, providers: ["vosk"] };
  pipelines[0].events.failed(new Error("failed"));
  speaker.open();
  pipelines[1].use = undefined;
  speaker.close();
  speaker.open();
  pipelines[2].use = { audioMs: 500, providers: ["local", "vosk"] };
  await speaker[Symbol.asyncDispose]();
  const [{ audioMs, providers, outcome }] = parts;
  assert.deepEqual([audioMs, providers, outcome], [1_500, ["vosk", "local"], "completed"]);
  assert.equal(parts.length, 1);
});

Deno.test("How a speaker's part ended is reported", async () => {
  const outcomeOf = async (happens: (world: ReturnType<typeof makeSpeaker>) => void) => {
    const world = makeSpeaker();
    happens(world);
    await world.speaker[Symbol.asyncDispose]();
    return world.parts.map(({ outcome }) => outcome);
  };
  assert.deepEqual(await outcomeOf(() => {}), [], "no pipeline was wanted");
  assert.deepEqual(await outcomeOf(({ speaker }) => speaker.open()), ["completed"]);
  assert.deepEqual(
    await outcomeOf(({ speaker, host }) => {
      host.refuses = true;
      assert.throws(() => speaker.open(), UnavailableError);
    }),
    ["refused"],
  );
  assert.deepEqual(
    await outcomeOf(({ speaker, host }) => {
      host.refuses = true;
      assert.throws(() => speaker.open(), UnavailableError);
      host.refuses = false;
      speaker.open();
    }),
    ["completed"],
  );
  assert.deepEqual(
    await outcomeOf(({ speaker, host, pipelines }) => {
      speaker.open();
      pipelines[0].events.failed(new Error("failed"));
      host.refuses = true;
      assert.throws(() => speaker.open(), UnavailableError);
    }),
    ["failed"],
  );
  assert.deepEqual(
    await outcomeOf(({ speaker, pipelines }) => {
      speaker.open();
      pipelines[0].events.trouble("recogniser_unreachable");
    }),
    ["failed"],
    "what was said at the end has no captions",
  );
  assert.deepEqual(
    await outcomeOf(({ speaker, pipelines }) => {
      speaker.open();
      pipelines[0].events.trouble("recogniser_starting");
      pipelines[0].events.trouble(undefined);
    }),
    ["completed"],
  );
  assert.deepEqual(
    await outcomeOf(({ speaker, session }) => {
      speaker.open();
      session.isShuttingDown = true;
    }),
    ["drained"],
  );
});

Deno.test("A pipeline that cannot be closed cleanly keeps no part from being reported", async () => {
  const { speaker, pipelines, parts } = makeSpeaker();
  speaker.open();
  pipelines[0].closing = Promise.reject(new Error("stuck"));
  await assert.rejects(() => speaker[Symbol.asyncDispose](), Error, "stuck");
  assert.deepEqual(parts.map(({ outcome }) => outcome), ["completed"]);
});
