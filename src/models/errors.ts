/** Errors of models and the runtime. Their messages say what to do next, and name files: no speech goes near them. */
import { TiroError } from "../domain/mod.ts";

export type ModelErrorCode =
  | "model_unknown"
  | "model_missing"
  | "model_corrupt"
  | "runtime_unsupported"
  | "runtime_missing"
  | "runtime_corrupt"
  | "folder"
  | "source"
  | "download";

export class ModelError extends TiroError {
  constructor(message: string, code: ModelErrorCode, cause?: unknown) {
    super(message, { code, retryable: code === "download", cause });
  }
}
