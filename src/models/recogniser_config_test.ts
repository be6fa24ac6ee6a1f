import assert from "@std/assert";
import { MODELS } from "./catalogue.ts";
import { filesOf, type ModelFile, type RecogniserModel } from "./model.ts";
import { recogniserConfig } from "./recogniser_config.ts";

const file = (name: string): ModelFile => ({ name, bytes: 1, sha256: "", urls: [] });
const common = {
  id: "m",
  title: "",
  licence: "MIT",
  languages: ["en"],
  streams: false,
  punctuates: true,
  speed: "fast",
  measured: false,
} as const;
const transducer = {
  encoder: file("e.onnx"),
  decoder: file("d.onnx"),
  joiner: file("j.onnx"),
  tokens: file("t.txt"),
};
const BASE = { tokens: "/m/t.txt", numThreads: 2, provider: "cpu", debug: 0 };
const JOINED = { encoder: "/m/e.onnx", decoder: "/m/d.onnx", joiner: "/m/j.onnx" };

function configOf(model: RecogniserModel, language?: string) {
  return recogniserConfig({ what: model, folder: "/m" }, { threads: 2, language });
}

Deno.test("Each kind of model has its files under the names sherpa-onnx reads", () => {
  const { encoder, decoder, tokens } = transducer;
  const expected: [RecogniserModel, "segments" | "stream", Record<string, unknown>][] = [
    [
      {
        ...common,
        kind: "moonshine",
        files: { encoder, mergedDecoder: decoder, tokens },
      },
      "segments",
      { moonshine: { encoder: "/m/e.onnx", mergedDecoder: "/m/d.onnx" } },
    ],
    [{ ...common, kind: "online_transducer", files: transducer }, "stream", { transducer: JOINED }],
    [{ ...common, kind: "transducer", files: transducer }, "segments", { transducer: JOINED }],
    [{ ...common, kind: "nemo_transducer", files: transducer }, "segments", {
      modelType: "nemo_transducer",
      transducer: JOINED,
    }],
    [{ ...common, kind: "whisper", files: { encoder, decoder, tokens } }, "segments", {
      whisper: {
        encoder: "/m/e.onnx",
        decoder: "/m/d.onnx",
        language: "",
        task: "transcribe",
        tailPaddings: -1,
      },
    }],
    [{ ...common, kind: "sense_voice", files: { model: encoder, tokens } }, "segments", {
      senseVoice: { model: "/m/e.onnx", language: "", useInverseTextNormalization: 1 },
    }],
    [{ ...common, kind: "omnilingual", files: { model: encoder, tokens } }, "segments", {
      omnilingual: { model: "/m/e.onnx" },
    }],
  ];
  for (const [model, decodes, own] of expected) {
    const made = configOf(model);
    assert.equal(made.decodes, decodes, model.kind);
    assert.deepEqual(made.config.modelConfig, { ...BASE, ...own }, model.kind);
    assert.deepEqual(made.config.featConfig, { sampleRate: 16_000, featureDim: 80 }, model.kind);
  }
});

Deno.test("Models that take a language get its first part", () => {
  const { encoder, decoder, tokens } = transducer;
  const whisper = configOf({ ...common, kind: "whisper", files: { encoder, decoder, tokens } }, "ar-TN");
  assert.match(JSON.stringify(whisper), /"language":"ar"/);
  const sense = configOf({ ...common, kind: "sense_voice", files: { model: encoder, tokens } }, "zh_CN");
  assert.match(JSON.stringify(sense), /"language":"zh"/);
});

Deno.test("Every model of the catalogue has a configuration, with paths of its own files alone", () => {
  for (const model of MODELS) {
    const text = JSON.stringify(configOf(model));
    const paths = [...text.matchAll(/"\/m\/([^"]+)"/g)].map(([, name]) => name);
    const names = filesOf(model).map(([, { name }]) => name);
    assert.ok(paths.length > 1 && paths.every((path) => names.includes(path)), model.id);
  }
});
