/**
 * One recogniser behind the product's own pipeline: PCM in real time, the gate, the feed, captions out. The same code that
 * runs in a media worker.
 */
import { loadConfig } from "../../src/config/mod.ts";
import { AudioLedger, type Caption } from "../../src/domain/mod.ts";
import { Scope, systemClock } from "../../src/flow/mod.ts";
import { startSpeakerHost } from "../../src/speakers/mod.ts";
import { startSpeechToText } from "../../src/stt/mod.ts";
import { createMeter } from "../../src/telemetry/mod.ts";
import { createSilentLog } from "../fakes/telemetry.ts";
import type { Speech } from "../fakes/speech.ts";

export interface Heard {
  /** Of all finals, in order. */
  text: string;
  /** Longest text shown of any utterance, also of those without a final: what noise showed. */
  shown: string;
  /** When the last final came, ms after the first sample was sent; undefined without any. */
  lastFinalMs?: number;
  /** How often a caption changed before it was final. */
  partials: number;
  /** Words were still missing long after the audio had ended. */
  isLate: boolean;
}

/** Audio is sent in pieces of this, as packets arrive. */
const PIECE_MS = 20;
/** After the last piece: for recognisers that answer late. */
const DRAIN_MS = 30_000;

/** Not used: only speech-to-text is configured. */
const ELSEWHERE = {
  LT_HPB_URL: "https://hpb.invalid",
  LT_INTERNAL_SECRET: "unused-unused-unused",
  NEXTCLOUD_URL: "https://cloud.invalid",
};

export class Pipeline implements AsyncDisposable {
  readonly #scope: Scope;
  readonly #host: Awaited<ReturnType<typeof startSpeakerHost>>;
  readonly #languageId: string;
  #clips = 0;

  private constructor(scope: Scope, host: Awaited<ReturnType<typeof startSpeakerHost>>, languageId: string) {
    this.#scope = scope;
    this.#host = host;
    this.#languageId = languageId;
  }

  /** `environment` configures the recogniser, as the service's does. Throws ConfigError. */
  static async start(environment: Record<string, string>, languageId: string): Promise<Pipeline> {
    const config = loadConfig({ ...ELSEWHERE, ...environment });
    const scope = new Scope("measured");
    const clock = systemClock;
    const log = createSilentLog();
    const meter = scope.use(createMeter());
    const chosen = config.stt.providers.map(({ provider, settings }) => ({
      provider,
      settings: settings.reveal(),
    }));
    const { choices: providers } = await startSpeechToText(chosen, {
      scope: scope.child("recogniser"),
      clock,
      log,
      meter,
    });
    const host = await startSpeakerHost({
      workers: 0,
      settings: {
        stt: { providers, tls: { caCerts: config.tls.caCerts } },
        chunkMs: config.stt.chunkMs,
        partials: true,
        network: {},
        debugLog: false,
      },
      ledger: new AudioLedger(),
      scope: scope.child("speakers"),
      clock,
      log,
      meter,
    });
    return new Pipeline(scope, host, languageId);
  }

  /** Plays it in real time as one speaker. Rejects when the speaker failed. */
  async play({ samples, sampleRateHz }: Speech): Promise<Heard> {
    const finals: string[] = [];
    const shown = new Map<number, string>();
    const startMs = performance.now();
    let lastFinalMs: number | undefined;
    let partials = 0;
    const failed = Promise.withResolvers<never>();
    failed.promise.catch(() => {}); // the race below may be over
    const caption = ({ utterance, text, final, isNotice }: Caption) => {
      if (isNotice) return;
      if (text.length > (shown.get(utterance)?.length ?? 0)) shown.set(utterance, text);
      if (!final) {
        partials++;
        return;
      }
      finals.push(text);
      lastFinalMs = performance.now() - startMs;
    };
    await using speaker = this.#host.open({
      speaker: { id: `clip-${++this.#clips}` },
      languageId: this.#languageId,
      source: { kind: "pcm", format: { encoding: "f32le", sampleRateHz, channels: 1 } },
    }, { caption, receiving() {}, source() {}, trouble() {}, failed: failed.reject });
    const played = (async () => {
      const pieceSamples = sampleRateHz * PIECE_MS / 1_000;
      for (let at = 0, piece = 1; at < samples.length; at += pieceSamples, piece++) {
        const bytes = new Uint8Array(samples.slice(at, at + pieceSamples).buffer);
        await speaker.request({ type: "audio", bytes });
        await until(startMs + piece * PIECE_MS);
      }
      const late = AbortSignal.timeout(DRAIN_MS);
      try {
        await speaker.drain(late);
      } catch (error) {
        if (!late.aborted) throw error;
      }
      return late.aborted;
    })();
    const isLate = await Promise.race([played, failed.promise]);
    return {
      text: finals.join(" "),
      shown: [...shown.values()].join(" / "),
      lastFinalMs,
      partials,
      isLate,
    };
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#scope[Symbol.asyncDispose]();
  }
}

function until(timeMs: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, Math.max(0, timeMs - performance.now())));
}
