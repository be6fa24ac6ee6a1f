/**
 * What the catalogue says of a model and of the runtime. A model is a folder of files; each is checked by size and
 * SHA-256 before it is loaded, because a corrupt one ends the process that loads it (sherpa-onnx 1.13.8: std::terminate).
 */

export interface RemoteFile {
  name: string;
  bytes: number;
  /** Lower-case hex. */
  sha256: string;
  /** `https:` addresses, tried in this order: of a fixed revision where the host has revisions. */
  urls: readonly string[];
}

/** `name` is the one in the model's folder. */
export interface ModelFile extends RemoteFile {
  /** It can be made of this one by `tokensOf`, where no address has it, or the source has only this. */
  madeFrom?: RemoteFile;
}

/** The files that sherpa-onnx wants of each kind of model, by their roles in its configuration. */
export interface FilesOfKind {
  /** Moonshine, encoder and merged decoder in ORT's format. Decodes whole segments of at most 9.0 s. */
  moonshine: "encoder" | "mergedDecoder" | "tokens";
  /** Streaming zipformer (icefall). */
  online_transducer: "encoder" | "decoder" | "joiner" | "tokens";
  /** Zipformer (icefall) for whole segments. */
  transducer: "encoder" | "decoder" | "joiner" | "tokens";
  /** NVIDIA NeMo, Parakeet TDT. */
  nemo_transducer: "encoder" | "decoder" | "joiner" | "tokens";
  /** OpenAI Whisper. Decodes 30 s however short the segment is. */
  whisper: "encoder" | "decoder" | "tokens";
  sense_voice: "model" | "tokens";
  /** Meta's Omnilingual ASR, CTC. */
  omnilingual: "model" | "tokens";
  /** Finds the voice in audio; recognises nothing. */
  silero_vad: "model";
}

export type ModelKind = keyof FilesOfKind;
export type RecogniserKind = Exclude<ModelKind, "silero_vad">;

/** Processor time of one talker on a current core. */
export type SpeedClass =
  /** Ten talkers and more. */
  | "fast"
  /** A few talkers. */
  | "medium"
  /** One talker or none in real time. */
  | "slow";

export interface ModelOf<Kind extends ModelKind> {
  /** In STT_MODEL, folders and the command line. */
  id: string;
  kind: Kind;
  /** One line for a person who chooses. */
  title: string;
  /** BCP 47, as captions' languages are named. Empty for a VAD. */
  languages: readonly string[];
  /** SPDX, or a name with the address of its text. */
  licence: string;
  /** Words come while somebody speaks, from the model itself. Other models decode growing segments again. */
  streams: boolean;
  /** It writes punctuation and capitals. */
  punctuates: boolean;
  speed: SpeedClass;
  /** Whether its speed and words were measured with this runtime, or its authors' figures are all there is. */
  measured: boolean;
  files: Readonly<Record<FilesOfKind[Kind], ModelFile>>;
}

/** A model of any kind. `switch (model.kind)` narrows it. */
export type Model = { [Kind in ModelKind]: ModelOf<Kind> }[ModelKind];
export type RecogniserModel = Exclude<Model, { kind: "silero_vad" }>;

/** sherpa-onnx's add-on for Node and the libraries it loads from its own folder. */
export interface Runtime {
  /** Also the name of its folder. */
  id: string;
  version: string;
  os: typeof Deno.build.os;
  arch: typeof Deno.build.arch;
  licence: string;
  files: Readonly<Record<"addon" | "sherpa" | "onnxruntime", ModelFile>>;
}

export function isRecogniser(model: Model): model is RecogniserModel {
  return model.kind !== "silero_vad";
}

export function isRuntime(thing: Model | Runtime): thing is Runtime {
  return "arch" in thing;
}

/** Of all kinds alike. */
export function filesOf({ files }: { files: Readonly<Record<string, ModelFile>> }): [string, ModelFile][] {
  return Object.entries(files);
}

export function bytesOf(files: { files: Readonly<Record<string, ModelFile>> }): number {
  return filesOf(files).reduce((sum, [, { bytes }]) => sum + bytes, 0);
}
