/**
 * The service in its own process between the fakes, for tests of minutes: its memory is its own, and what the fakes
 * remember does not count. Speakers here talk without end, a word at a time, and can change what they say at once.
 */
import type { TestCall, TestParticipant, TestSpeaker } from "../fakes/call.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { weriftPublisherFactory } from "../fakes/sfu.ts";
import type { Speech } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { toneSpeech } from "../fakes/tones.ts";
import { enable, eventually, metric } from "../integration/world.ts";
import { ServiceProcess } from "../load/service_process.ts";

export class ProcessWorld implements AsyncDisposable {
  private constructor(
    readonly hpb: FakeHpb,
    readonly stt: FakeKyutaiServer,
    readonly service: ServiceProcess,
    private readonly stack: AsyncDisposableStack,
  ) {}

  static async start(denoArgs: readonly string[] = []): Promise<ProcessWorld> {
    await using stack = new AsyncDisposableStack();
    const hpb = stack.use(await FakeHpb.start({ publishers: weriftPublisherFactory }));
    const stt = stack.use(FakeKyutaiServer.start());
    const service = stack.use(
      await ServiceProcess.start({
        denoArgs,
        environment: {
          LT_HPB_URL: hpb.hpbUrl,
          LT_INTERNAL_SECRET: hpb.internalSecret,
          NEXTCLOUD_URL: hpb.nextcloudUrl,
          STT_STREAM_URL: stt.url,
        },
      }),
    );
    return new ProcessWorld(hpb, stt, service, stack.move());
  }

  /** A call with captions on for its one listener, and so many speakers who are received. */
  async callOf(
    speakers: number,
  ): Promise<{ call: TestCall; listener: TestParticipant; speakers: TestSpeaker[] }> {
    const call = await this.hpb.startCall();
    const listener = await call.addListener();
    await enable(this.service.baseUrl, call.roomToken, listener);
    const joined: TestSpeaker[] = [];
    for (let index = 0; index < speakers; index++) joined.push(await call.addSpeaker());
    await this.heard(speakers);
    return { call, listener, speakers: joined };
  }

  /** Resolves once audio of so many speakers arrives. */
  heard(speakers: number): Promise<void> {
    return eventually(
      `${speakers} speakers heard`,
      async () => await this.metric("tiro_speakers_heard") === speakers,
      20_000,
    );
  }

  metric(line: string): Promise<number> {
    return metric(this.service.baseUrl, line);
  }

  /** A counter by the values of its label; those at zero are left out. */
  async counts(name: string): Promise<Record<string, number>> {
    const text = await (await fetch(`${this.service.baseUrl}/metrics`)).text();
    const lines = text.matchAll(new RegExp(`^${name}\\{\\w+="([^"]*)"\\} (\\S+)$`, "gm"));
    return Object.fromEntries(
      [...lines].map(([, label, value]) => [label, Number(value)] as const).filter(([, value]) => value > 0),
    );
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stack.disposeAsync();
  }
}

/** A microphone out of the call is tried again this often. */
const SILENT_MS = 20;

/** Says words over and over until it is stopped. */
export class Talker implements AsyncDisposable {
  #words: readonly Speech[];
  #stopped = false;
  readonly #talking: Promise<void>;

  constructor(readonly speaker: TestSpeaker, words: readonly string[]) {
    this.#words = words.map(wordOf);
    this.#talking = this.#talk();
  }

  /** From the next word on, a third of a second at most. */
  say(words: readonly string[]): void {
    this.#words = words.map(wordOf);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.#talking;
  }

  async #talk(): Promise<void> {
    for (let next = 0; !this.#stopped; next++) {
      const startMs = performance.now();
      await this.speaker.say(this.#words[next % this.#words.length]);
      // Out of the call nothing is said, and at once.
      if (performance.now() - startMs < SILENT_MS) await pause(SILENT_MS);
    }
  }
}

/** One object per word: the publisher encodes each once. */
const words = new Map<string, Speech>();

function wordOf(word: string): Speech {
  const speech = words.get(word) ?? toneSpeech([word]);
  words.set(word, speech);
  return speech;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
