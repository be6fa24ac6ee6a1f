/** Entries of the catalogue that are alike: what is the same of all of a family. */
import type { FilesOfKind, ModelFile, ModelOf, RecogniserModel } from "./model.ts";
import { WHISPER_LANGUAGES } from "./whisper_languages.ts";

/** A file of a repository on Hugging Face: its name, its size in bytes, its SHA-256. */
type Pinned = readonly [name: string, bytes: number, sha256: string];

/** The files of one revision. */
export function huggingFace<Role extends string>(
  repository: string,
  revision: string,
  files: Readonly<Record<Role, Pinned>>,
): Record<Role, ModelFile>;
export function huggingFace(repository: string, revision: string, files: Readonly<Record<string, Pinned>>) {
  const base = `https://huggingface.co/${repository}/resolve/${revision}`;
  return Object.fromEntries(
    Object.entries(files).map(([role, [name, bytes, sha256]]) => [
      role,
      { name, bytes, sha256, urls: [`${base}/${name}`] },
    ]),
  );
}

/** Of both English models. */
const MOONSHINE_TOKENS: Pinned = [
  "tokens.txt",
  549_350,
  "2870d843e14c1e187bf1913a521562a63b53933814bd7f2145120468f494a049",
];

export function moonshine(
  name: "tiny" | "base",
  revision: string,
  files: Record<"encoder" | "mergedDecoder", Pinned>,
): Record<FilesOfKind["moonshine"], ModelFile> {
  const repository = `csukuangfj2/sherpa-onnx-moonshine-${name}-en-quantized-2026-02-27`;
  const { encoder, mergedDecoder, tokens } = huggingFace(repository, revision, {
    ...files,
    tokens: MOONSHINE_TOKENS,
  });
  const authors = `https://download.moonshine.ai/model/${name}-en/quantized/${name}-en`;
  const too = (file: ModelFile) => ({ ...file, urls: [...file.urls, `${authors}/${file.name}`] });
  return {
    encoder: too(encoder),
    mergedDecoder: too(mergedDecoder),
    tokens: {
      ...tokens,
      madeFrom: {
        name: "tokenizer.bin",
        bytes: 249_974,
        sha256: "6884b35fd6377d4c4d32336a0bc152f36b64d1e45b6503683cdc238250a8472d",
        urls: [`${authors}/tokenizer.bin`],
      },
    },
  };
}

/** Banafo's community models, which write punctuation and capitals. */
export function kroko(
  { language, name, revision, files: [encoder, decoder, joiner, tokens] }: {
    language: string;
    name: string;
    revision: string;
    files: readonly [encoder: FileFacts, decoder: FileFacts, joiner: FileFacts, tokens: FileFacts];
  },
): RecogniserModel {
  return {
    id: `kroko-${language}`,
    kind: "online_transducer",
    title: `Kroko 2025-08, ${name}`,
    languages: [language],
    licence: "CC-BY-SA",
    streams: true,
    punctuates: true,
    speed: "fast",
    measured: false,
    files: huggingFace(`csukuangfj/sherpa-onnx-streaming-zipformer-${language}-kroko-2025-08-06`, revision, {
      encoder: ["encoder.onnx", ...encoder],
      decoder: ["decoder.onnx", ...decoder],
      joiner: ["joiner.onnx", ...joiner],
      tokens: ["tokens.txt", ...tokens],
    }),
  };
}

type FileFacts = readonly [bytes: number, sha256: string];

export function whisper(
  { name, title, revision, speed, files: [encoder, decoder] }: {
    name: string;
    title: string;
    revision: string;
    speed: ModelOf<"whisper">["speed"];
    files: readonly [encoder: FileFacts, decoder: FileFacts];
  },
): RecogniserModel {
  return {
    id: `whisper-${name}`,
    kind: "whisper",
    title: `Whisper ${title}`,
    languages: WHISPER_LANGUAGES,
    licence: "MIT",
    streams: false,
    punctuates: true,
    speed,
    measured: false,
    files: huggingFace(`csukuangfj/sherpa-onnx-whisper-${name}`, revision, {
      encoder: [`${name}-encoder.int8.onnx`, ...encoder],
      decoder: [`${name}-decoder.int8.onnx`, ...decoder],
      tokens: [
        `${name}-tokens.txt`,
        816_730,
        "b34b360dbb493e781e479794586d661700670d65564001f23024971d1f2fa126",
      ],
    }),
  };
}
