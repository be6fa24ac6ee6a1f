/** Small models, a runtime and folders for tests. */
import { createHash } from "node:crypto";
import { SILERO_VAD } from "./catalogue.ts";
import type { Folders } from "./folders.ts";
import { filesOf, type Model, type ModelFile, type ModelOf, type Runtime } from "./model.ts";

export const bytesOfText = (text: string) => new TextEncoder().encode(text);

/** A file of this content, at `base` where it is downloaded. */
export function fileOf(name: string, content: Uint8Array, base = "https://models.example.org"): ModelFile {
  const sha256 = createHash("sha256").update(content).digest("hex");
  return { name, bytes: content.length, sha256, urls: [`${base}/${name}`] };
}

export function voiceDetector(model: ModelFile): Model {
  return { ...SILERO_VAD, id: "detector", files: { model } };
}

export const RUNTIME_CONTENTS = { addon: "addon", sherpa: "sherpa-onnx", onnxruntime: "onnx-runtime" };

export function runtime(base?: string): Runtime {
  const file = (name: keyof typeof RUNTIME_CONTENTS) =>
    fileOf(name, bytesOfText(RUNTIME_CONTENTS[name]), base);
  return {
    id: "runtime-1",
    version: "1",
    os: "linux",
    arch: "x86_64",
    licence: "MIT",
    files: { addon: file("addon"), sherpa: file("sherpa"), onnxruntime: file("onnxruntime") },
  };
}

/** Two entries: `a` and `b`. */
export const TOKENIZER = Uint8Array.of(1, 97, 1, 98);
export const TOKENS = "YQ== 0\nYg== 1\n";
export const MOONSHINE_CONTENTS = { "encoder.ort": "the encoder", "decoder.ort": "the decoder!" };

export function moonshine(base?: string): ModelOf<"moonshine"> {
  const [encoder, mergedDecoder] = Object.entries(MOONSHINE_CONTENTS).map(([name, content]) =>
    fileOf(name, bytesOfText(content), base)
  );
  return {
    id: "moonshine-test",
    kind: "moonshine",
    title: "of a test",
    languages: ["en"],
    licence: "MIT",
    streams: false,
    punctuates: true,
    speed: "fast",
    measured: false,
    files: {
      encoder,
      mergedDecoder,
      tokens: {
        ...fileOf("tokens.txt", bytesOfText(TOKENS), base),
        madeFrom: fileOf("tokenizer.bin", TOKENIZER, base),
      },
    },
  };
}

export async function temporaryFolders(): Promise<Folders & { root: string } & AsyncDisposable> {
  const root = await Deno.makeTempDir({ prefix: "tiro-models" });
  return {
    root,
    models: [`${root}/first`, `${root}/second`],
    runtime: [`${root}/runtime`],
    [Symbol.asyncDispose]: () => Deno.remove(root, { recursive: true }),
  };
}

/** Writes all files of a thing. */
export async function put(thing: Model | Runtime, folder: string, content: Uint8Array): Promise<void> {
  await Deno.mkdir(`${folder}/${thing.id}`, { recursive: true });
  for (const [, { name }] of filesOf(thing)) await Deno.writeFile(`${folder}/${thing.id}/${name}`, content);
}

/** The names in a folder. */
export async function namesIn(folder: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(folder), ({ name }) => name)).toSorted();
}
