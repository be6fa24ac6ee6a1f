/**
 * What a measurement is made on: the service in its own process, and in this one everything around it - HPB, SFU,
 * speech-to-text, one listener - and the speakers, who talk without end. This process is the generator: it may use one
 * core while the service has another, and what it does late is reported.
 *
 * A speaker says utterances of six words and pauses for a second. Two words are a speaker's own, so that a word on
 * either side of the service tells whose it is. Recorded speech sounds under the tones: packets of tones alone are
 * cheaper to decode than what people say.
 */
import type { TestCall, TestParticipant, TestSpeaker } from "../fakes/call.ts";
import { FakeHpb } from "../fakes/hpb.ts";
import { SfuPublisher, watchBeats } from "../fakes/sfu.ts";
import { encodeOpus, PACKET_MS, readSpeech, type Speech } from "../fakes/speech.ts";
import { FakeKyutaiServer } from "../fakes/stt.ts";
import { TONE_WORDS, toneSpeech } from "../fakes/tones.ts";
import { enable, eventually } from "../integration/world.ts";
import { ServiceProcess } from "./service_process.ts";

/** How often a speaker repeats its two words in an utterance. */
const REPEATS = 3;
/** How loud the recorded speech is under the tones. */
const SPEECH_GAIN = 0.25;
/** Speakers who join at once: each costs both sides some 20 ms of key exchange. */
const JOIN_TOGETHER = 6;
/** Between utterances, ms. The shorter half keeps the service's gate open, so that every packet is decoded. */
const PAUSES_MS = {
  busy: [1_060, 1_080, 1_100, 1_120, 1_140, 1_160],
  easy: [1_060, 1_160, 1_340, 1_540, 1_880, 2_220],
};
export type Pace = keyof typeof PAUSES_MS;

/** One utterance as it was said. */
export interface Utterance {
  speaker: Talker;
  /** performance.now() when its first packet was due. */
  startMs: number;
  /** performance.now() when its last packet was due. */
  endMs: number;
  /** performance.now() when the packet that holds the end of its first word was due. */
  firstWordAtMs: number;
}

export interface Talker {
  sessionId: string;
  /** The two words no other speaker uses together. */
  words: readonly [string, string];
}

export interface SceneOptions {
  /** The most speakers there will be. */
  speakersMax: number;
  denoArgs?: readonly string[];
}

export class Scene implements AsyncDisposable {
  /** Every utterance spoken to its end. */
  readonly utterances: Utterance[] = [];
  readonly talkers: Talker[] = [];
  /** Lateness of each 20 ms beat, ms, since `resetBeats`. */
  beatsLateMs: number[] = [];
  /** Packets handed to the network by all publishers. */
  packetsSent = 0;
  pace: Pace = "easy";
  readonly #publishers = new Map<string, SfuPublisher>();
  readonly #talking: Promise<void>[] = [];
  #stopped = false;

  private constructor(
    readonly service: ServiceProcess,
    readonly stt: FakeKyutaiServer,
    readonly call: TestCall,
    readonly listener: TestParticipant,
    private readonly sounds: Sounds,
    publishers: Map<string, SfuPublisher>,
    private readonly stack: AsyncDisposableStack,
  ) {
    this.#publishers = publishers;
  }

  static async start({ speakersMax, denoArgs }: SceneOptions): Promise<Scene> {
    if (speakersMax > PAIRS.length) {
      throw new RangeError(`Cannot tell more than ${PAIRS.length} speakers apart`);
    }
    const sounds = await makeSounds(speakersMax);
    await using stack = new AsyncDisposableStack();
    const publishers = new Map<string, SfuPublisher>();
    const hpb = stack.use(
      await FakeHpb.start({
        publishers: async (publisherId) => {
          const publisher = await SfuPublisher.start();
          publishers.set(publisherId, publisher);
          return publisher;
        },
      }),
    );
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
    const call = stack.use(await hpb.startCall());
    const listener = await call.addListener();
    await enable(service.baseUrl, call.roomToken, listener);
    const scene = new Scene(service, stt, call, listener, sounds, publishers, stack.move());
    scene.stack.use(watchBeats(({ lateMs, packets }) => {
      scene.beatsLateMs.push(lateMs);
      scene.packetsSent += packets;
    }));
    return scene;
  }

  /** The packets speakers send, as they send them: one utterance and its pause each. */
  get packets(): readonly Uint8Array[] {
    return this.sounds.packets;
  }

  /** Speakers join until there are so many; resolves once the service receives all of them. They talk from then on. */
  async speakers(count: number): Promise<void> {
    const first = this.talkers.length;
    while (this.talkers.length < count) {
      const together = Math.min(JOIN_TOGETHER, count - this.talkers.length);
      const joined = await Promise.all(Array.from({ length: together }, () => this.call.addSpeaker()));
      this.talkers.push(...joined.map((speaker: TestSpeaker, index) => ({
        sessionId: speaker.sessionId,
        words: PAIRS[this.talkers.length + index],
      })));
      const expected = this.talkers.length;
      await eventually(
        `${expected} speakers heard`,
        async () => (await this.metrics()).value("tiro_speakers_heard") === expected,
        30_000,
      );
    }
    for (let index = first; index < count; index++) this.#talking.push(this.#talk(index));
  }

  /** Sends nothing for a while: what is on its way arrives, and both sides' counts can be compared. */
  hold(on: boolean): void {
    for (const publisher of this.#publishers.values()) publisher.stall(on);
  }

  resetBeats(): void {
    this.beatsLateMs = [];
  }

  async metrics(): Promise<Metrics> {
    return new Metrics(await (await fetch(`${this.service.baseUrl}/metrics`)).text());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopped = true;
    await this.stack.disposeAsync();
    await Promise.all(this.#talking);
  }

  async #talk(index: number): Promise<void> {
    const speaker = this.talkers[index];
    const publisher = this.#publishers.get(speaker.sessionId);
    if (!publisher) throw new Error("Cannot talk: the speaker has no microphone");
    const { speech, firstWordEndMs } = this.sounds.utterances[index];
    // Nobody starts together: utterances, and with them chunks, are spread over the seconds.
    await publisher.play(silence(20 * Math.floor(Math.random() * 150)));
    while (!this.#stopped) {
      const startMs = await publisher.play(speech);
      if (startMs === undefined) return;
      const packets = Math.ceil(speech.samples.length * 1_000 / speech.sampleRateHz / PACKET_MS);
      this.utterances.push({
        speaker,
        startMs,
        endMs: startMs + (packets - 1) * PACKET_MS,
        firstWordAtMs: startMs + (Math.ceil(firstWordEndMs / PACKET_MS) - 1) * PACKET_MS,
      });
      const pauses = PAUSES_MS[this.pace];
      await publisher.play(silence(pauses[Math.floor(Math.random() * pauses.length)]));
    }
  }
}

/** The service's numbers at one moment. */
export class Metrics {
  constructor(private readonly text: string) {}

  /** A line of /metrics; 0 where there is none. */
  value(line: string): number {
    const found = this.text.split("\n").find((each) => each.startsWith(`${line} `));
    return found === undefined ? 0 : Number(found.slice(line.length + 1));
  }

  /** The lines of these counters that are above zero. */
  counters(names: readonly string[]): Record<string, number> {
    const lines = this.text.split("\n").flatMap((line) => {
      const at = line.lastIndexOf(" ");
      const wanted = names.some((name) => line.startsWith(`${name}{`)) && Number(line.slice(at + 1)) > 0;
      return wanted ? [[line.slice(0, at), Number(line.slice(at + 1))] as const] : [];
    });
    return Object.fromEntries(lines);
  }

  packets(fate: string): number {
    return this.value(`tiro_audio_packets_total{fate="${fate}"}`);
  }
}

/** Unordered pairs of words: enough for 91 speakers. */
const PAIRS: readonly (readonly [string, string])[] = TONE_WORDS.flatMap((first, index) =>
  TONE_WORDS.slice(index + 1).map((second) => [first, second] as const)
);

interface Sounds {
  utterances: { speech: Speech; firstWordEndMs: number }[];
  packets: Uint8Array[];
}

async function makeSounds(speakers: number): Promise<Sounds> {
  const recorded = await readSpeech("meeting_rms");
  const utterances = PAIRS.slice(0, speakers).map((pair, speaker) => {
    const tones = toneSpeech(Array.from({ length: REPEATS }, () => pair).flat(), {
      sampleRateHz: recorded.sampleRateHz,
    });
    const offset = speaker * 1_000;
    const samples = tones.samples.map((sample, at) =>
      sample + SPEECH_GAIN * recorded.samples[(offset + at) % recorded.samples.length]
    );
    return { speech: { samples, sampleRateHz: recorded.sampleRateHz }, firstWordEndMs: tones.wordEndsMs[0] };
  });
  const pause = await encodeOpus(silence(PAUSES_MS.busy[0]));
  const packets = await encodeOpus(utterances[0].speech);
  return { utterances, packets: [...packets, ...pause] };
}

const silences = new Map<number, Speech>();

/** One object per length: the publisher encodes each once. */
function silence(ms: number): Speech {
  const speech = silences.get(ms) ?? { samples: new Float32Array(ms * 16), sampleRateHz: 16_000 };
  silences.set(ms, speech);
  return speech;
}
