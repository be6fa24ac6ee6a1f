import assert from "@std/assert";
import {
  type HostedSpeaker,
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
  needsOffer() {},
  connected() {},
  heard() {},
  trouble() {},
  failed() {},
};

class FakeHost implements SpeakerHost {
  fault: Error | undefined;
  /** What was asked of speakers, in order. */
  readonly asked: string[] = [];
  opened: { options: SpeakerOptions; events: SpeakerEvents }[] = [];
  close: () => Promise<void> = () => Promise.resolve();

  open(options: SpeakerOptions, events: SpeakerEvents): HostedSpeaker {
    if (this.fault) throw this.fault;
    this.opened.push({ options, events });
    return {
      answer: (offer, iceServers) => {
        this.asked.push(`answer ${offer.sid} ${iceServers.length}`);
        return Promise.resolve({ sdp: "answer" });
      },
      addCandidate: (sid, { candidate }) => void this.asked.push(`candidate ${sid} ${candidate}`),
      hangUp: (sid) => void this.asked.push(`hang up ${sid}`),
      setLanguage: (languageId) => void this.asked.push(`language ${languageId}`),
      drain: (signal) => {
        this.asked.push(`drain ${signal.aborted}`);
        return Promise.resolve();
      },
      [Symbol.asyncDispose]: () => {
        this.asked.push("dispose");
        return this.close();
      },
    };
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
  const open = (id = "s") => host.open({ speaker: { id }, languageId: "en" }, NOBODY);
  const refused = (code: string) => meter.counted("tiro_speakers_refused_total", code);
  const admitted = () => meter.gauges.get("tiro_speakers_admitted")!();
  return { inner, memory, descriptors, host, open, refused, admitted };
}

const refusedAs = (code: string, text: RegExp) => (error: unknown) =>
  error instanceof UnavailableError && error.code === code && text.test(error.message) &&
  !error.message.endsWith(".");

Deno.test("A speaker who is let in is the inner host's in everything", async () => {
  const { inner, open } = makeHost();
  const speaker = open("anna");
  assert.deepEqual(inner.opened, [{
    options: { speaker: { id: "anna" }, languageId: "en" },
    events: NOBODY,
  }]);
  assert.deepEqual(await speaker.answer({ sid: "7", sdp: "offer" }, [{ urls: ["stun:a"] }]), {
    sdp: "answer",
  });
  speaker.addCandidate("7", { candidate: "c" });
  speaker.hangUp("7");
  speaker.setLanguage("fr");
  await speaker.drain(AbortSignal.abort());
  await speaker[Symbol.asyncDispose]();
  assert.deepEqual(inner.asked, [
    "answer 7 1",
    "candidate 7 c",
    "hang up 7",
    "language fr",
    "drain true",
    "dispose",
  ]);
});

Deno.test("Past the most there may be a speaker is refused, until one has wholly gone", async () => {
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

Deno.test("While memory is tight nobody new is let in, and nobody is put out", async () => {
  const { inner, memory, host, open, refused, admitted } = makeHost();
  const speaker = open();
  memory.isTight = true;
  assert.throws(
    () => open(),
    refusedAs("memory", /^Cannot caption a speaker: more than 80 % of the memory .*$/),
  );
  assert.deepEqual([refused("memory"), admitted(), inner.opened.length], [1, 1, 1]);
  await speaker.answer({ sid: "7", sdp: "offer" }, []);
  assert.deepEqual(inner.asked, ["answer 7 0"]);
  memory.isTight = false;
  assert.equal(host.refusal, undefined);
  open();
});

Deno.test("While descriptors are few nobody new is let in; the first is, for whom there may be enough", () => {
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

Deno.test("A speaker the inner host refuses is counted as refused and not as let in; one it breaks on as neither", () => {
  const { inner, open, refused, admitted } = makeHost();
  inner.fault = new UnavailableError("Cannot caption a speaker: no media worker has room", "busy");
  assert.throws(() => open(), inner.fault);
  inner.fault = new Error("broken");
  assert.throws(() => open(), inner.fault);
  assert.deepEqual([refused("busy"), admitted()], [1, 0]);
});

Deno.test("A speaker gives up the place once, also one who cannot be closed cleanly", async () => {
  const { inner, open, admitted } = makeHost();
  open();
  const speaker = open();
  inner.close = () => Promise.reject(new Error("unclean"));
  await assert.rejects(async () => await speaker[Symbol.asyncDispose](), /unclean/);
  await assert.rejects(async () => await speaker[Symbol.asyncDispose](), /unclean/);
  assert.equal(admitted(), 1);
});
