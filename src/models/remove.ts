/** Deletes a model from the folder that `tiro models` writes to; those that came with a package or an image stay. */
import { ModelError } from "./errors.ts";
import type { Folders } from "./folders.ts";
import type { Model } from "./model.ts";
import { placeOf } from "./add.ts";

/** Rejects with ModelError where it is not there, or cannot be deleted. */
export async function removeModel(model: Model, folders: Folders): Promise<void> {
  const folder = placeOf(model, folders);
  try {
    await Deno.remove(folder, { recursive: true });
  } catch (error) {
    const why = error instanceof Deno.errors.NotFound
      ? "it is not there"
      : error instanceof Deno.errors.NotCapable
      ? "Tiro has no permission there"
      : "the folder is another user's";
    throw new ModelError(`Cannot remove ${folder}: ${why}`, "folder", error);
  }
}
