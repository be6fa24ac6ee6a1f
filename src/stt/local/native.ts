/**
 * The runtime: sherpa-onnx' add-on for Node, version 1.13.8, loaded by its path. Its decodes run on threads of Deno's own
 * pool, several at once with one model; the voice detector runs on the calling thread, 0.16 ms a window.
 *
 * A corrupt model file ends the process (std::terminate), so whoever starts this process checks the files first.
 */
import process from "node:process";
import { parseJson } from "../../domain/mod.ts";
import type { OfflineConfig, OnlineConfig, RecogniserConfig } from "../../models/mod.ts";
import { SAMPLE_RATE_HZ } from "./protocol.ts";

/** Measured: a voice detector's model with its session of the runtime, and 30 s of audio. */
export const DETECTOR_BYTES = 9_600_000;
/** Of one judgement of the voice detector. */
export const WINDOW_SAMPLES = 512;

export interface VoiceDetector {
  /** Of the next WINDOW_SAMPLES: whether there is a voice, which is found after 100 ms of it and lost after 100 ms without. */
  isVoice(window: Float32Array): boolean;
  /** Before another voice. */
  reset(): void;
}

/** The text of audio at 16 kHz, at most 9.0 s. Rejects with the runtime's error. */
export type Decode = (samples: Float32Array<ArrayBuffer>) => Promise<string>;

export interface Native {
  /** Rejects where a file is missing or not of its kind. */
  loadModel(config: RecogniserConfig): Promise<Decode>;
  /** Takes DETECTOR_BYTES: each has a model of its own, of this file. */
  openDetector(model: string): VoiceDetector;
}

/** Opaque objects of the add-on. */
type Handle = object;

/** What is used of it. */
interface SherpaAddon {
  createOfflineRecognizerAsync(config: unknown): Promise<Handle>;
  createOfflineStream(recogniser: Handle): Handle;
  acceptWaveformOffline(stream: Handle, audio: { sampleRate: number; samples: Float32Array }): void;
  decodeOfflineStreamAsync(recogniser: Handle, stream: Handle): Promise<string>;
  createOnlineRecognizer(config: unknown): Handle;
  createOnlineStream(recogniser: Handle): Handle;
  acceptWaveformOnline(stream: Handle, audio: { sampleRate: number; samples: Float32Array }): void;
  inputFinished(stream: Handle): void;
  isOnlineStreamReady(recogniser: Handle, stream: Handle): boolean;
  decodeOnlineStream(recogniser: Handle, stream: Handle): void;
  getOnlineStreamResultAsJson(recogniser: Handle, stream: Handle): string;
  createVoiceActivityDetector(config: unknown, bufferSeconds: number): Handle;
  voiceActivityDetectorAcceptWaveform(detector: Handle, samples: Float32Array): void;
  voiceActivityDetectorIsDetected(detector: Handle): boolean;
  voiceActivityDetectorIsEmpty(detector: Handle): boolean;
  voiceActivityDetectorPop(detector: Handle): void;
  voiceActivityDetectorReset(detector: Handle): void;
}

/** More than a zipformer's chunk of 0.32 s with its context. */
const LOOK_AHEAD = SAMPLE_RATE_HZ / 2;
/** The detector's own segments are not used: `../segmenter.ts` cuts. */
const DETECTION = {
  threshold: 0.5,
  minSpeechDuration: 0.1,
  minSilenceDuration: 0.1,
  windowSize: WINDOW_SAMPLES,
};
/**
 * The detector keeps the audio of a voice until that pauses, for segments that nobody reads here. It is reset before its
 * buffer would grow.
 */
const DETECTOR_BUFFER_S = 30;
const RESET_AFTER_WINDOWS = 25 * SAMPLE_RATE_HZ / WINDOW_SAMPLES;

/** `addon`: the path of the add-on, whose libraries are in its folder. Throws where it cannot be loaded. */
export function loadNative(addon: string): Native {
  const loaded: { exports: Partial<SherpaAddon> } = { exports: {} };
  // Not by `require`, which resolves links: the permissions are for the path as it is given.
  process.dlopen(loaded, addon);
  const sherpa = loaded.exports;
  if (!isWhole(sherpa)) throw new Error("Cannot load the runtime: it is not sherpa-onnx' add-on for Node");
  return {
    loadModel({ decodes, config }) {
      return decodes === "segments"
        ? loadOffline(sherpa, config)
        : Promise.resolve(loadOnline(sherpa, config));
    },
    openDetector: (model) => openDetector(sherpa, model),
  };
}

function isWhole(addon: Partial<SherpaAddon>): addon is SherpaAddon {
  return typeof addon.createOfflineRecognizerAsync === "function" &&
    typeof addon.createVoiceActivityDetector === "function";
}

async function loadOffline(addon: SherpaAddon, config: OfflineConfig): Promise<Decode> {
  const recogniser = await addon.createOfflineRecognizerAsync(config);
  // The add-on holds no reference to a stream that it decodes: collected as garbage, it would be freed under the decode.
  const decoding = new Set<Handle>();
  return async (samples) => {
    const stream = addon.createOfflineStream(recogniser);
    decoding.add(stream);
    try {
      addon.acceptWaveformOffline(stream, { sampleRate: SAMPLE_RATE_HZ, samples });
      return textOf(await addon.decodeOfflineStreamAsync(recogniser, stream));
    } finally {
      decoding.delete(stream);
    }
  };
}

/** A streaming model that decodes a whole segment. It does so on this thread, some frames at a time. */
function loadOnline(addon: SherpaAddon, config: OnlineConfig): Decode {
  const recogniser = addon.createOnlineRecognizer(config);
  return async (samples) => {
    const stream = addon.createOnlineStream(recogniser);
    addon.acceptWaveformOnline(stream, { sampleRate: SAMPLE_RATE_HZ, samples });
    // Its last words come once it has seen what follows them.
    addon.acceptWaveformOnline(stream, { sampleRate: SAMPLE_RATE_HZ, samples: new Float32Array(LOOK_AHEAD) });
    addon.inputFinished(stream);
    while (addon.isOnlineStreamReady(recogniser, stream)) {
      addon.decodeOnlineStream(recogniser, stream);
      await new Promise<void>((resolve) => setTimeout(resolve, 0));
    }
    return textOf(addon.getOnlineStreamResultAsJson(recogniser, stream));
  };
}

function openDetector(addon: SherpaAddon, model: string): VoiceDetector {
  const config = {
    sileroVad: { model, ...DETECTION },
    sampleRate: SAMPLE_RATE_HZ,
    numThreads: 1,
    provider: "cpu",
    debug: 0,
  };
  const detector = addon.createVoiceActivityDetector(config, DETECTOR_BUFFER_S);
  let windows = 0;
  const reset = () => {
    addon.voiceActivityDetectorReset(detector);
    windows = 0;
  };
  return {
    isVoice(window) {
      addon.voiceActivityDetectorAcceptWaveform(detector, window);
      while (!addon.voiceActivityDetectorIsEmpty(detector)) addon.voiceActivityDetectorPop(detector);
      const isVoice = addon.voiceActivityDetectorIsDetected(detector);
      windows = isVoice ? windows + 1 : 0;
      if (windows >= RESET_AFTER_WINDOWS) reset();
      return isVoice;
    },
    reset,
  };
}

function textOf(result: string): string {
  const json = parseJson(result);
  const hasText = typeof json === "object" && json !== null && "text" in json;
  return hasText && typeof json.text === "string" ? json.text : "";
}
