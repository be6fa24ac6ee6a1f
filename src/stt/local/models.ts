/**
 * The models of the process: of each language one, checked and loaded when it is first spoken, and then kept. Whoever
 * speaks it meanwhile waits for the same load.
 */
import {
  DEFAULT_MODEL,
  type Folders,
  installedModels,
  locateModel,
  locateRuntime,
  modelOf,
  recogniserConfig,
  type RecogniserModel,
  SILERO_VAD,
} from "../../models/mod.ts";
import { ordinaryWords } from "./vocabulary.ts";
import { type Decode, loadNative, type Native, type VoiceDetector } from "./native.ts";

export class LocalModels {
  readonly #folders: Folders;
  readonly #ofLanguage: ReadonlyMap<string, RecogniserModel>;
  readonly #loaded = new Map<string, Promise<Decode>>();
  /** By model. */
  readonly #ordinary = new Map<string, Promise<(word: string) => boolean>>();
  #native: Native | undefined;
  #vad = "";

  /** Throws ModelError for a name that is none. */
  constructor(folders: Folders, name: string | undefined) {
    this.#folders = folders;
    const installed = installedModels(folders).map(({ what }) => what);
    const models = name !== undefined
      ? [modelOf(name)]
      : installed.length > 0
      ? installed
      : [modelOf(DEFAULT_MODEL)];
    const ofLanguage = new Map<string, RecogniserModel>();
    for (const model of models) {
      for (const id of model.languages) if (!ofLanguage.has(id)) ofLanguage.set(id, model);
    }
    this.#ofLanguage = ofLanguage;
  }

  get languages(): readonly string[] {
    return [...this.#ofLanguage.keys()];
  }

  /** Checks and loads the runtime and the voice detector. Rejects with ModelError. */
  async prepare(): Promise<void> {
    const runtime = await locateRuntime(this.#folders);
    const vad = await locateModel(SILERO_VAD, this.#folders);
    this.#vad = `${vad.folder}/${vad.what.files.model.name}`;
    this.#native ??= loadNative(`${runtime.folder}/${runtime.what.files.addon.name}`);
  }

  /** After `prepare`. */
  openDetector(): VoiceDetector {
    return this.#prepared.openDetector(this.#vad);
  }

  /** After `prepare`. Rejects with ModelError, or with the runtime's error. */
  decodeOf(languageId: string): Promise<Decode> {
    const model = this.#ofLanguage.get(languageId);
    if (!model) return Promise.reject(new Error("Cannot load a model: none has the language"));
    // Whisper guesses the language anew for each segment unless it is set; each language has a model in memory.
    const language = model.kind === "whisper" ? languageId : undefined;
    const key = `${model.id} ${language}`;
    const loading = this.#loaded.get(key) ?? this.#load(model, language);
    this.#loaded.set(key, loading);
    loading.catch(() => this.#loaded.delete(key));
    return loading;
  }

  /** Which words the language's model knows. Rejects with ModelError. */
  ordinaryWordsOf(languageId: string): Promise<(word: string) => boolean> {
    const model = this.#ofLanguage.get(languageId);
    if (!model) return Promise.resolve(() => true);
    const reading = this.#ordinary.get(model.id) ?? this.#readVocabulary(model);
    this.#ordinary.set(model.id, reading);
    reading.catch(() => this.#ordinary.delete(model.id));
    return reading;
  }

  async #readVocabulary(model: RecogniserModel): Promise<(word: string) => boolean> {
    const { folder } = await locateModel(model, this.#folders);
    return ordinaryWords(await Deno.readTextFile(`${folder}/${model.files.tokens.name}`), model.kind);
  }

  async #load(model: RecogniserModel, language: string | undefined): Promise<Decode> {
    const located = await locateModel(model, this.#folders);
    return await this.#prepared.loadModel(recogniserConfig(located, { threads: 1, language }));
  }

  get #prepared(): Native {
    if (!this.#native) throw new Error("Cannot load a model: the runtime is not loaded");
    return this.#native;
  }
}
