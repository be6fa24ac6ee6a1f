/** Models and the runtime of the offline recogniser: which there are, where they lie, and whether they are whole. */
export { type Added, addFrom, placeOf } from "./add.ts";
export { CATALOGUE, DEFAULT_MODEL, modelOf, MODELS, SILERO_VAD } from "./catalogue.ts";
export { download, type DownloadOptions, type Progress } from "./download.ts";
export { ModelError, type ModelErrorCode } from "./errors.ts";
export {
  type Folders,
  foldersOf,
  MODEL_VARIABLES,
  type Program,
  READ_ONLY_DATA_FOLDERS,
  thisProgram,
} from "./folders.ts";
export {
  faultsOf,
  foundThings,
  installedModels,
  type Located,
  locateModel,
  locateRuntime,
} from "./locate.ts";
export { removeModel } from "./remove.ts";
export { sourceAt } from "./sources.ts";
export {
  bytesOf,
  filesOf,
  type Model,
  type ModelFile,
  type ModelKind,
  type RecogniserModel,
  type Runtime,
  type SpeedClass,
} from "./model.ts";
export {
  MODEL_SAMPLE_RATE_HZ,
  type OfflineConfig,
  type OnlineConfig,
  type RecogniserConfig,
  recogniserConfig,
  type RecogniserConfigOptions,
} from "./recogniser_config.ts";
export { runtimeOf, RUNTIMES } from "./runtime.ts";
export { WHISPER_LANGUAGES } from "./whisper_languages.ts";
