/** Errors of models and the runtime. Their messages say what to do next, and name files: no speech goes near them. */
import { TiroError } from "../domain/mod.ts";

export type ModelErrorCode =
  | "model_unknown"
  | "model_missing"
  | "model_corrupt"
  | "runtime_unsupported"
  | "runtime_missing"
  | "runtime_corrupt"
  /** A folder cannot be read or written. */
  | "folder"
  /** There is nothing to add in it. */
  | "source"
  /** The bytes that came are not those of the catalogue. */
  | "content"
  | "download";

export class ModelError extends TiroError {
  constructor(message: string, code: ModelErrorCode, cause?: unknown) {
    super(message, { code, retryable: code === "download", cause });
  }
}
