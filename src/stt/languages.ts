/** Lists of language ids: Whisper's, and those an operator writes for a server whose model nothing else tells. */
import { ConfigError, languageCodeOf, type ProviderVariable } from "../domain/mod.ts";

/** Of every multilingual Whisper; `yue`, which large-v3 alone has, is not among them. */
export const WHISPER_LANGUAGES: readonly string[] = (
  "af am ar as az ba be bg bn bo br bs ca cs cy da de el en es et eu fa fi fo fr gl gu ha haw he hi hr ht hu hy id is " +
  "it ja jw ka kk km kn ko la lb ln lo lt lv mg mi mk ml mn mr ms mt my ne nl nn no oc pa pl ps pt ro ru sa sd si sk " +
  "sl sn so sq sr su sv sw ta te tg th tk tl tr tt uk ur uz vi yi yo zh"
).split(" ");

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
