/** The whole service between a fake HPB (real WebRTC) and a fake Kyutai server, for tests of what users see. */
import assert from "@std/assert";
import { type Seams, type Service, startService } from "../../src/app.ts";
import { loadConfig } from "../../src/config/mod.ts";
import type { Log } from "../../src/domain/mod.ts";
import { delay } from "../../src/flow/mod.ts";
import { createSilentLog } from "../fakes/telemetry.ts";
import type { TestParticipant, TestSpeaker, TestStack, Transcript } from "../fakes/call.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import type { PublisherFactory } from "../fakes/hpb_hub.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import { UdpSockets } from "../fakes/udp_sockets.ts";
import { padded } from "../fakes/speech.ts";
import { type FakeKyutaiOptions, FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";

export interface World extends AsyncDisposable {
  hpb: FakeHpb;
  stt: FakeKyutaiServer;
  service: Service;
  /** The service's for media. With MEDIA_WORKERS=0 they are checked to be closed at the end. */
  sockets: UdpSockets;
  /** Turns captions on for a listener, as Talk's front end does. */
  enable(roomToken: string, listener: TestParticipant): Promise<void>;
  post(path: string, body: unknown): Promise<Response>;
  metric(line: string): Promise<number>;
  /** Resolves once audio of so many speakers arrives: what is said before is not received. */
  heard(speakers: number): Promise<void>;
}

export async function startWorld(
  options: {
    stt?: FakeKyutaiOptions;
    environment?: Record<string, string>;
    seams?: Seams;
    publishers?: PublisherFactory;
  } = {},
): Promise<World> {
  const stack = new AsyncDisposableStack();
  try {
    const sockets = new UdpSockets();
    const workers = options.environment?.MEDIA_WORKERS ?? MEDIA_WORKERS;
    // A worker has a second to close, and is left to the end of the process after that.
    stack.defer(() => assert.ok(workers !== "0" || sockets.open === 0, "the service's sockets are closed"));
    const publishers = noting(sockets, options.publishers ?? weriftPublisherFactory);
    const hpb = stack.use(await FakeHpb.start({ publishers }));
    const stt = stack.use(FakeKyutaiServer.start(options.stt));
    const service = stack.use(
      await serviceFor(hpb, { STT_STREAM_URL: stt.url, ...options.environment }, options.seams),
    );
    const base = baseUrl(service);
    return {
      hpb,
      stt,
      service,
      sockets,
      enable: (roomToken, listener) => enable(base, roomToken, listener),
      post: (path, body) => post(base, path, body),
      metric: (line) => metric(base, line),
      heard: (speakers) =>
        eventually("speakers heard", async () => await metric(base, "tiro_speakers_heard") >= speakers),
      [Symbol.asyncDispose]: () => stack.disposeAsync(),
    };
  } catch (error) {
    await stack.disposeAsync();
    throw error;
  }
}

/** Notes what sockets the service answers with. */
function noting(sockets: UdpSockets, publishers: PublisherFactory): PublisherFactory {
  return async (id) => {
    const publisher = await publishers(id);
    const answer = publisher.answer.bind(publisher);
    publisher.answer = (sid, sdp) => {
      sockets.noteCandidates(sdp);
      return answer(sid, sdp);
    };
    return publisher;
  };
}

/**
 * Where speakers are captioned unless a test says: `deno task test:integration` runs all tests in the service's process, which
 * starts soonest, and `deno task test:workers` those of what users see as operators run the service.
 */
const MEDIA_WORKERS = Deno.env.get("TEST_MEDIA_WORKERS") ?? "0";

/** Proc's file of a machine with much memory left. */
const MEMINFO = "MemTotal: 8000000 kB\nMemAvailable: 8000000 kB\n";

/** The service in this process, joined to a stack. */
export function serviceFor(
  stack: Pick<TestStack, "hpbUrl" | "internalSecret" | "nextcloudUrl">,
  environment: Record<string, string>,
  seams: Seams = {},
  log: Log = createSilentLog(),
): Promise<Service> {
  const config = loadConfig({
    LT_HPB_URL: stack.hpbUrl,
    LT_INTERNAL_SECRET: stack.internalSecret,
    NEXTCLOUD_URL: stack.nextcloudUrl,
    HOST: "127.0.0.1",
    PORT: "0",
    MEDIA_WORKERS,
    ...environment,
  });
  // However full the machine of the tests is, speakers are taken.
  return startService(config, log, {
    readSystemFile: (path) => Promise.resolve(path === "/proc/meminfo" ? MEMINFO : undefined),
    ...seams,
  });
}

export function baseUrl(service: Service): string {
  return `http://127.0.0.1:${service.address.port}`;
}

export function post(base: string, path: string, body: unknown): Promise<Response> {
  return fetch(posting(base, path, body));
}

export function posting(base: string, path: string, body: unknown): Request {
  return new Request(base + path, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
}

export async function enable(base: string, roomToken: string, listener: TestParticipant): Promise<void> {
  const response = await post(base, "/api/v1/call/transcribe", {
    roomToken,
    ncSessionId: listener.ncSessionId,
    enable: true,
    langId: "en",
  });
  assert.equal(response.status, 200, await response.text());
}

/** Looks again and again until it holds; for what nobody announces. Rejects after the deadline. */
export async function eventually(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = 10_000,
): Promise<void> {
  const signal = AbortSignal.timeout(deadlineMs);
  while (!await holds()) {
    await delay(20, signal).catch(() => assert.fail(`not within ${deadlineMs} ms: ${what}`));
  }
}

/** Words of the toy language. */
export const PHRASE = ["morning", "coffee", "window", "red", "north", "music"];

export async function say(speaker: TestSpeaker, words: readonly string[]): Promise<void> {
  await speaker.say(padded(toneSpeech(words), 300, 300));
}

/** A call with a listener who has asked, and speakers who are heard. */
export async function callOf(world: World, speakerCount = 1) {
  const call = await world.hpb.startCall();
  const listener = await call.addListener();
  await world.enable(call.roomToken, listener);
  const speakers = await Promise.all(Array.from({ length: speakerCount }, () => call.addSpeaker()));
  await world.heard(speakerCount);
  return { call, listener, speaker: speakers[0], speakers };
}

/** The final that ends with the last of these words. */
export const isFinal =
  (words: readonly string[]) => ({ final, message }: { final: boolean; message: string }) =>
    final && message.endsWith(words.at(-1)!);

/** The value of one line of /metrics, named as there; 0 where there is none yet. */
export async function metric(base: string, line: string): Promise<number> {
  const text = await (await fetch(`${base}/metrics`)).text();
  const found = text.split("\n").find((each) => each.startsWith(`${line} `));
  return found === undefined ? 0 : Number(found.slice(line.length + 1));
}

export function finals(transcripts: readonly Transcript[], speakerSessionId?: string): string[] {
  return transcripts
    .filter((t) => t.final && (speakerSessionId === undefined || t.speakerSessionId === speakerSessionId))
    .map(({ message }) => message);
}

/** All words of the finals, as one string. */
export function finalText(transcripts: readonly Transcript[], speakerSessionId?: string): string {
  return finals(transcripts, speakerSessionId).join(" ");
}

/** What a listener may count on, whatever was said: see captioning/utterances.ts. */
export function assertWellFormed(transcripts: readonly Transcript[]): void {
  const open = new Map<string, Transcript>();
  for (const transcript of transcripts) {
    const { message, speakerSessionId, final } = transcript;
    assert.notEqual(message, "", "a caption is never empty");
    assert.equal(message, message.trim(), "a caption has no space at its ends");
    const before = open.get(speakerSessionId);
    if (before) assert.ok(final || message !== before.message, "a partial is never sent twice");
    if (final) open.delete(speakerSessionId);
    else open.set(speakerSessionId, transcript);
  }
  assert.deepEqual([...open.values()].map(({ message }) => message), [], "every utterance ends in a final");
}
