/**
 * The call of a load test: the service in a process of its own, an SFU with few publishers, the stand-in for
 * speech-to-text, and the signalling between them. Everything it starts ends with it.
 */
import { FakeNextcloud } from "../fakes/nextcloud.ts";
import { ClaimedPorts } from "../fakes/ports.ts";
import { readSpeech } from "../fakes/speech.ts";
import { post } from "../integration/world.ts";
import { configureJanus, type JanusOptions, ownAddress, startJanus } from "../real/janus.ts";
import { answersOk, ServerProcess } from "../real/server_process.ts";
import { CallHpb, type LoadSpeaker } from "./call_hpb.ts";
import { JanusRoom } from "./janus_room.ts";
import { PUBLISHERS, turnPackets } from "./marks.ts";
import { OwnRoom } from "./own_room.ts";
import { cpuMsOf } from "./proc.ts";
import type { Impairments } from "./publisher_schedule.ts";
import { Metrics } from "./scene.ts";
import type { SendingOptions } from "./sending_protocol.ts";
import { ServiceProcess } from "./service_process.ts";
import type { SfuKind, SfuRoom } from "./sfu_room.ts";
import type { SttNumbers } from "./stt_process.ts";

export interface LoadSceneOptions {
  sfu: SfuKind;
  rooms: number;
  listenersPerRoom: number;
  talkPercent: number;
  impairments: Impairments;
  /** What publishers say instead of speech with marks in it, and how; speech-to-text knows words of tones then. */
  said?: Pick<SendingOptions, "packets" | "timestampSteps">;
  /** For the service, on top of what it needs here. */
  environment: Record<string, string>;
  denoArgs: readonly string[];
}

/** Below the kernel's ephemeral ports; one for each connection and the publishers'. */
const RTP_PORTS = { first: 20_000, last: 29_999 };
/** Threads of Janus: the machine's other core is the service's. */
const JANUS_LOOPS = 2;
const LOOK_EVERY_MS = 100;
/** With nothing sent, what is in transit has arrived once the count has not changed for this long. */
const STILL_MS = 300;
/** A receiver that is behind has seconds of packets in the kernel's buffers. */
const DRAIN_TIMEOUT_MS = 15_000;

const MUTED_MS = 300;

export const DISTURBANCES = ["mute", "offers", "stt", "signaling"] as const;
export type Disturbance = (typeof DISTURBANCES)[number];

type Room = ReturnType<CallHpb["addRoom"]>;

export class LoadScene implements AsyncDisposable {
  readonly #speakers: { room: Room; speaker: LoadSpeaker }[] = [];
  #joined = 0;

  private constructor(
    readonly service: ServiceProcess,
    readonly sfu: SfuRoom,
    readonly hpb: CallHpb,
    /** What publishers say while they talk. */
    readonly packets: readonly Uint8Array[],
    private readonly rooms: readonly Room[],
    private readonly sttUrl: string,
    private readonly pids: { sfu?: number; stt: number },
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async start(options: LoadSceneOptions): Promise<LoadScene> {
    await using stack = new AsyncDisposableStack();
    const ports = stack.use(ClaimedPorts.claim());
    const folder = await temporaryFolder(stack);
    const { sfu, pid: sfuPid, packets } = await openSfu(stack, folder, ports.next(), options);
    const sttPort = ports.next();
    const sttUrl = `127.0.0.1:${sttPort}`;
    const sttProcess = stack.use(
      await ServerProcess.start({
        name: "the stand-in for speech-to-text",
        executable: Deno.execPath(),
        args: [
          "run",
          "-A",
          new URL("stt_process.ts", import.meta.url).pathname,
          String(sttPort),
          options.said ? "tones" : "marks",
        ],
        logPath: `${folder}/stt.log`,
        isReady: () => answersOk(`http://${sttUrl}/numbers`),
      }),
    );
    const hpb = stack.use(new CallHpb(sfu));
    const nextcloud = stack.use(await FakeNextcloud.start({ secret: "backend-secret-of-the-load-test" }));
    const service = stack.use(
      await ServiceProcess.start({
        denoArgs: ["--inspect=127.0.0.1:0", ...options.denoArgs],
        environment: {
          LT_HPB_URL: hpb.url,
          LT_INTERNAL_SECRET: hpb.internalSecret,
          NEXTCLOUD_URL: nextcloud.url,
          STT_STREAM_URL: `ws://${sttUrl}/v1/stream`,
          ...options.environment,
        },
      }),
    );
    const rooms = Array.from({ length: options.rooms }, () => hpb.addRoom(options.listenersPerRoom));
    for (const { token: roomToken, listeners } of rooms) {
      for (const { ncSessionId } of listeners) {
        const body = { roomToken, ncSessionId, enable: true, langId: "en" };
        const response = await post(service.baseUrl, "/api/v1/call/transcribe", body);
        const answer = await response.text();
        if (!response.ok) throw new Error(`Cannot caption a room: ${response.status} ${answer}`);
      }
    }
    const pids = { sfu: sfuPid, stt: sttProcess.pid };
    return new LoadScene(service, sfu, hpb, packets, rooms, sttUrl, pids, stack.move());
  }

  get speakers(): number {
    return this.#speakers.length;
  }

  /** So many join at once, spread over rooms and publishers; resolves with ms until all are heard, or what it came to. */
  async join(count: number, deadlineMs: number): Promise<{ tookMs: number; heard: number }> {
    const startMs = performance.now();
    const publishers = this.rooms.map((): number[] => []);
    for (let index = 0; index < count; index++, this.#joined++) {
      publishers[this.#joined % this.rooms.length].push(this.#joined % PUBLISHERS);
    }
    for (const [index, room] of this.rooms.entries()) {
      if (publishers[index].length === 0) continue;
      const joined = this.hpb.join(room, publishers[index]);
      this.#speakers.push(...joined.map((speaker) => ({ room, speaker })));
    }
    const joined = this.#speakers.slice(-count);
    for (;;) {
      // The service may not know yet who has left: its count alone is not enough.
      const answered = joined.every(({ speaker }) => this.hpb.isAnswered(speaker));
      const heard = (await this.metrics()).value("tiro_speakers_heard");
      const tookMs = performance.now() - startMs;
      if ((answered && heard >= this.#speakers.length) || tookMs > deadlineMs) return { tookMs, heard };
      await pause(LOOK_EVERY_MS);
    }
  }

  /** The last `count` who came leave at once. */
  async leave(count: number): Promise<void> {
    const leaving = this.#speakers.splice(-count);
    await Promise.all(this.rooms.map((room) => {
      const speakers = leaving.filter((each) => each.room === room).map(({ speaker }) => speaker);
      return speakers.length > 0 ? this.hpb.leave(room, speakers) : undefined;
    }));
  }

  /** Something happens to half of those present; what is under way elsewhere goes on. */
  async disturb(kind: Disturbance): Promise<void> {
    if (kind === "signaling") return this.hpb.dropSockets();
    if (kind === "stt") {
      await (await fetch(`http://${this.sttUrl}/drop`, { method: "POST" })).text();
      return;
    }
    await Promise.all(this.rooms.map(async (room) => {
      const half = this.#speakers.filter((each, index) => each.room === room && index % 2 === 0);
      const speakers = half.map(({ speaker }) => speaker);
      if (kind === "offers") return await this.hpb.offerAgain(room, speakers);
      this.hpb.mute(room, speakers, true);
      await pause(MUTED_MS);
      this.hpb.mute(room, speakers, false);
    }));
  }

  /** Resolves with whether every speaker who left is gone from the service. */
  async settled(deadlineMs: number): Promise<boolean> {
    const endMs = performance.now() + deadlineMs;
    let received = -1;
    for (;;) {
      const metrics = await this.metrics();
      const active = metrics.value("transcription_speakers_active");
      const total = metrics.packets("received");
      const { live } = await this.sttNumbers();
      if (active === this.#speakers.length && live <= active && (active > 0 || total === received)) {
        return true;
      }
      if (performance.now() > endMs) return false;
      received = total;
      await pause(LOOK_EVERY_MS);
    }
  }

  async metrics(): Promise<Metrics> {
    return new Metrics(await (await fetch(`${this.service.baseUrl}/metrics`)).text());
  }

  async sttNumbers(): Promise<SttNumbers> {
    return await (await fetch(`http://${this.sttUrl}/numbers`)).json();
  }

  /** Speech-to-text reads nothing more; what is sent to it waits in the kernel. */
  stopStt(): void {
    Deno.kill(this.pids.stt, "SIGSTOP");
  }

  resumeStt(): void {
    Deno.kill(this.pids.stt, "SIGCONT");
  }

  /** How long the service takes over a request that Talk makes in a call, ms. */
  async answerMs(): Promise<number> {
    const { token: roomToken, listeners: [{ ncSessionId }] } = this.rooms[0];
    const startMs = performance.now();
    const body = { roomToken, ncSessionId, enable: true, langId: "en" };
    const response = await post(this.service.baseUrl, "/api/v1/call/transcribe", body);
    await response.body?.cancel();
    return performance.now() - startMs;
  }

  async resetStt(): Promise<void> {
    await (await fetch(`http://${this.sttUrl}/reset`, { method: "POST" })).text();
  }

  /** Processor time of everything here but the service, by who spent it, ms. The own SFU is in the harness. */
  generatorCpuMs(): { sfu: number; stt: number; harness: number } {
    const { sfu, stt } = this.pids;
    return { sfu: sfu === undefined ? 0 : cpuMsOf(sfu), stt: cpuMsOf(stt), harness: cpuMsOf("self") };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }
}

/**
 * An SFU with its publishers; what they say while they talk. `pid` where it is a process of its own, with its WebSocket API
 * on `port`. Ends with the stack.
 */
export async function openSfu(
  stack: AsyncDisposableStack,
  folder: string,
  port: number,
  { sfu: kind, talkPercent, impairments, said }: Pick<
    LoadSceneOptions,
    "sfu" | "talkPercent" | "impairments" | "said"
  >,
): Promise<{ sfu: SfuRoom; pid?: number; packets: readonly Uint8Array[] }> {
  const { packets, timestampSteps } = said ??
    { packets: await turnPackets(await readSpeech("meeting_rms")), timestampSteps: undefined };
  const options = { packets, talkPercent, impairments, timestampSteps };
  const hostAddress = ownAddress();
  if (kind === "own") {
    const sfu = stack.use(new OwnRoom({ ...options, hostAddress }));
    sfu.publishers.start();
    return { sfu, packets: packets.talk[0] };
  }
  await Deno.mkdir(`${folder}/janus`);
  const janus: JanusOptions = {
    folder: `${folder}/janus`,
    port,
    hostAddress,
    rtpPorts: RTP_PORTS,
    logPath: `${folder}/janus.log`,
    eventLoops: JANUS_LOOPS,
  };
  await configureJanus(janus);
  const { pid } = stack.use(await startJanus(janus));
  const sfu = stack.use(await JanusRoom.open({ ...options, url: `ws://127.0.0.1:${port}` }));
  return { sfu, pid, packets: packets.talk[0] };
}

/** Is gone with the stack. */
export async function temporaryFolder(stack: AsyncDisposableStack): Promise<string> {
  const folder = await Deno.makeTempDir({ prefix: "tiro-load-" });
  stack.defer(tidied(folder));
  return folder;
}

/** While nothing is sent: looks again until nothing more has arrived. `behindMs`: how long something did. */
export async function untilStill<T>(
  look: () => Promise<T>,
  received: (seen: T) => number,
): Promise<{ last: T; behindMs: number }> {
  const startMs = performance.now();
  let last = await look();
  let behindMs = 0;
  for (;;) {
    await pause(STILL_MS);
    const next = await look();
    const isStill = received(next) === received(last);
    last = next;
    if (isStill || performance.now() - startMs > DRAIN_TIMEOUT_MS) return { last, behindMs };
    behindMs = performance.now() - startMs;
  }
}

/** Removes a folder when called, or when this process exits without: the processes in it end with their parent. */
function tidied(folder: string): () => void {
  const remove = () => Deno.removeSync(folder, { recursive: true });
  globalThis.addEventListener("unload", remove, { once: true });
  return () => {
    globalThis.removeEventListener("unload", remove);
    remove();
  };
}

/** Ctrl-C and the like end a run as `Deno.exit` does. */
export function exitOnSignals(): void {
  for (const signal of ["SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => Deno.exit(130));
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
