/** Lists of language ids: Whisper's, and those an operator writes for a server whose model nothing else tells. */
import {
  ConfigError,
  type Language,
  languageCodeOf,
  languagesOf,
  type ProviderVariable,
} from "../domain/mod.ts";

import { WHISPER_LANGUAGES } from "../models/mod.ts";

export { WHISPER_LANGUAGES };

/** `tiny.en`, `Systran/faster-whisper-small.en`, `medium.en-q5_0`. */
const ENGLISH_ONLY = /\.en(?![a-z])/;
const ALL = languagesOf(WHISPER_LANGUAGES);

/** Those of a model by its name; without one, those of a multilingual model. */
export function whisperLanguages(model = ""): readonly Language[] {
  return ENGLISH_ONLY.test(model) ? ALL.filter(({ id }) => id === "en") : ALL;
}

/** Past any recogniser's list; every request for the languages is answered with all of them. */
const LISTED_MAX = 200;

/**
 * The ids in a variable such as `en,de`, each once, in their order; undefined where it is unset. Throws ConfigError that
 * names the variable.
 */
export function listedLanguages(
  { name: variable, example }: Pick<ProviderVariable, "name" | "example">,
  value: string | undefined,
): readonly string[] | undefined {
  if (value === undefined) return undefined;
  const ids = [...new Set(value.split(/[\s,]+/).filter((id) => id !== ""))];
  const isList = ids.length > 0 && ids.length <= LISTED_MAX &&
    ids.every((id) => languageCodeOf(id) !== undefined);
  if (isList) return ids;
  const problem = `must list 1 to ${LISTED_MAX} languages, such as en, pt-BR or zh-Hans, with commas between`;
  throw new ConfigError([{ variable, problem, example }]);
}
