/**
 * A model as sherpa-onnx 1.13.8 takes it: the argument of `createOfflineRecognizerAsync` or `createOnlineRecognizer` of its
 * add-on for Node. Pure. The names are those of the add-on.
 */
import type { Located } from "./locate.ts";
import type { ModelFile, RecogniserModel } from "./model.ts";

export interface RecogniserConfigOptions {
  /** Threads of one decode. Several decodes run at once, so 1 is usual. */
  threads: number;
  /** Spoken language, one of the model's. Absent: a model of several languages detects it. */
  language?: string;
}

interface CommonModelConfig {
  tokens: string;
  numThreads: number;
  provider: "cpu";
  debug: 0;
}

interface TransducerFiles {
  encoder: string;
  decoder: string;
  joiner: string;
}

interface CommonConfig {
  featConfig: { sampleRate: number; featureDim: number };
  decodingMethod: "greedy_search";
}

export interface OfflineConfig extends CommonConfig {
  modelConfig: CommonModelConfig & {
    modelType?: "nemo_transducer";
    moonshine?: { encoder: string; mergedDecoder: string };
    transducer?: TransducerFiles;
    whisper?: {
      encoder: string;
      decoder: string;
      language: string;
      task: "transcribe";
      tailPaddings: number;
    };
    senseVoice?: { model: string; language: string; useInverseTextNormalization: 1 };
    omnilingual?: { model: string };
  };
}

export interface OnlineConfig extends CommonConfig {
  modelConfig: CommonModelConfig & { transducer: TransducerFiles };
  /** The segments are ours. */
  enableEndpoint: 0;
}

export type RecogniserConfig =
  /** OfflineRecognizer: decodes a segment at a time. */
  | { decodes: "segments"; config: OfflineConfig }
  /** OnlineRecognizer: decodes as the audio comes. */
  | { decodes: "stream"; config: OnlineConfig };

/** Of all models. */
export const MODEL_SAMPLE_RATE_HZ = 16_000;

export function recogniserConfig(
  { what: model, folder }: Located<RecogniserModel>,
  { threads, language = "" }: RecogniserConfigOptions,
): RecogniserConfig {
  const path = ({ name }: ModelFile) => `${folder}/${name}`;
  const common: CommonConfig = {
    featConfig: { sampleRate: MODEL_SAMPLE_RATE_HZ, featureDim: 80 },
    decodingMethod: "greedy_search",
  };
  const base: CommonModelConfig = {
    tokens: path(model.files.tokens),
    numThreads: threads,
    provider: "cpu",
    debug: 0,
  };
  const segments = (own: Omit<OfflineConfig["modelConfig"], keyof CommonModelConfig>): RecogniserConfig => ({
    decodes: "segments",
    config: { ...common, modelConfig: { ...base, ...own } },
  });
  const transducer = (files: Record<keyof TransducerFiles, ModelFile>): TransducerFiles => ({
    encoder: path(files.encoder),
    decoder: path(files.decoder),
    joiner: path(files.joiner),
  });
  switch (model.kind) {
    case "moonshine": {
      const { encoder, mergedDecoder } = model.files;
      return segments({ moonshine: { encoder: path(encoder), mergedDecoder: path(mergedDecoder) } });
    }
    case "online_transducer": {
      const modelConfig = { ...base, transducer: transducer(model.files) };
      return { decodes: "stream", config: { ...common, modelConfig, enableEndpoint: 0 } };
    }
    case "transducer":
      return segments({ transducer: transducer(model.files) });
    case "nemo_transducer":
      return segments({ modelType: "nemo_transducer", transducer: transducer(model.files) });
    case "whisper": {
      const { encoder, decoder } = model.files;
      return segments({
        whisper: {
          encoder: path(encoder),
          decoder: path(decoder),
          language: primary(language),
          task: "transcribe",
          tailPaddings: -1, // sherpa-onnx' own choice
        },
      });
    }
    case "sense_voice":
      return segments({
        senseVoice: {
          model: path(model.files.model),
          language: primary(language),
          useInverseTextNormalization: 1, // punctuation
        },
      });
    case "omnilingual":
      return segments({ omnilingual: { model: path(model.files.model) } });
  }
}

/** Whisper's and SenseVoice's spelling: `ar` of `ar-TN`. */
function primary(language: string): string {
  return language.toLowerCase().replace(/[-_].*$/, "");
}
