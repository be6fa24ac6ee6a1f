import assert from "@std/assert";
import {
  type HostedSpeaker,
  type SourceKind,
  type SpeakerEvents,
  type SpeakerHost,
  type SpeakerOptions,
  UnavailableError,
} from "../domain/mod.ts";
import { Scope } from "../flow/mod.ts";
import { FakeMeter } from "../../tests/fakes/telemetry.ts";
import { AdmittingHost } from "./admission.ts";

const NOBODY: SpeakerEvents = {
  caption() {},
  source() {},
  receiving() {},
  trouble() {},
  failed() {},
};

class FakeHost implements SpeakerHost {
  fault: Error | undefined;
  readonly opened: { options: SpeakerOptions; events: SpeakerEvents; hosted: HostedSpeaker }[] = [];
  close: () => Promise<void> = () => Promise.resolve();

  open<Kind extends SourceKind>(
    options: SpeakerOptions<Kind>,
    events: SpeakerEvents<Kind>,
  ): HostedSpeaker<Kind> {
    if (this.fault) throw this.fault;
    const closed = Promise.withResolvers<undefined>();
    const hosted: HostedSpeaker = {
      closed: closed.promise,
      send() {},
      request: () => Promise.resolve({ sdp: "answer" }),
      setLanguage() {},
      setWords() {},
      drain: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => this.close().finally(() => closed.resolve(undefined)),
    };
    this.opened.push({ options, events, hosted });
    return hosted as HostedSpeaker<Kind>;
  }
}

function makeHost(speakersMax = 2) {
  const inner = new FakeHost();
  const memory = { isTight: false };
  const descriptors = { isTight: false, taken: 0, take: () => void descriptors.taken++ };
  const meter = new FakeMeter();
  const host = new AdmittingHost({
    ...{ host: inner, speakersMax, memory, descriptors, scope: new Scope("test"), meter },
  });
  const open = (id = "s") =>
    host.open({ speaker: { id }, languageId: "en", source: { kind: "webrtc" } }, NOBODY);
  const refused = (code: string) => meter.counted("tiro_speakers_refused_total", code);
  const admitted = () => meter.gauges.get("tiro_speakers_admitted")!();
  return { inner, memory, descriptors, host, open, refused, admitted };
}

const refusedAs = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof UnavailableError && error.code === code && text.test(error.message) &&
  !error.message.endsWith(".");

Deno.test("An admitted speaker is the inner host's", () => {
  const { inner, open } = makeHost();
  const speaker = open("anna");
  assert.deepEqual(inner.opened.map(({ options, events }) => [options, events]), [[
    { speaker: { id: "anna" }, languageId: "en", source: { kind: "webrtc" } },
    NOBODY,
  ]]);
  assert.equal(speaker, inner.opened[0].hosted);
});

Deno.test("Past the maximum a speaker is refused, until one is closed", async () => {
  const { inner, host, open, refused, admitted } = makeHost();
  const closing = Promise.withResolvers<void>();
  inner.close = () => closing.promise;
  const first = open();
  assert.equal(host.refusal, undefined);
  open();
  assert.equal(host.refusal?.code, "speakers_max");
  const isFull = refusedAs(
    "speakers_max",
    /^Cannot caption a speaker: all 2 places .* raise MAX_SPEAKERS or MEDIA_WORKERS$/,
  );
  assert.throws(() => open(), isFull);
  const closed = first[Symbol.asyncDispose]();
  assert.throws(() => open(), isFull);
  assert.equal(refused("speakers_max"), 2);
  closing.resolve();
  await closed;
  assert.equal(admitted(), 1);
  open();
  assert.equal(admitted(), 2);
});

Deno.test("While memory is tight no speaker is admitted, and none is closed", () => {
  const { inner, memory, host, open, refused, admitted } = makeHost();
  const speaker = open();
  memory.isTight = true;
  assert.throws(
    () => open(),
    refusedAs("memory", /^Cannot caption a speaker: more than 80 % of the memory .*$/),
  );
  assert.deepEqual([refused("memory"), admitted(), inner.opened.length], [1, 1, 1]);
  assert.equal(speaker, inner.opened[0].hosted, "who is in goes on");
  memory.isTight = false;
  assert.equal(host.refusal, undefined);
  open();
});

Deno.test("While descriptors are low no speaker is admitted but the first, for whom there may be enough", () => {
  const { descriptors, host, open, refused } = makeHost();
  descriptors.isTight = true;
  open();
  assert.equal(descriptors.taken, 1);
  assert.throws(
    () => open(),
    refusedAs("descriptors", /^Cannot caption a speaker: file descriptors are few.*$/),
  );
  assert.equal(host.refusal?.code, "descriptors");
  assert.deepEqual([refused("descriptors"), descriptors.taken], [1, 1]);
  descriptors.isTight = false;
  open();
});

Deno.test("A speaker the inner host refuses is counted as refused and not as admitted; one it fails on as neither", () => {
  const { inner, open, refused, admitted } = makeHost();
  inner.fault = new UnavailableError("Cannot caption a speaker: no media worker has a free slot", "busy");
  assert.throws(() => open(), inner.fault);
  inner.fault = new Error("broken");
  assert.throws(() => open(), inner.fault);
  assert.deepEqual([refused("busy"), admitted()], [1, 0]);
});

Deno.test("A speaker's place is released once, even if they cannot be closed cleanly", async () => {
  const { inner, open, admitted } = makeHost();
  open();
  const speaker = open();
  inner.close = () => Promise.reject(new Error("unclean"));
  await assert.rejects(async () => await speaker[Symbol.asyncDispose](), /unclean/);
  await assert.rejects(async () => await speaker[Symbol.asyncDispose](), /unclean/);
  assert.equal(admitted(), 1);
});
