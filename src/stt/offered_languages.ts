/**
 * The languages that several recognisers offer together, each once; ids are spelled as the first of them has it. A variety
 * (`ar_TN`, `en-GB`) is one of its own.
 */
import { isSameVariety, type Language, type SpeechToText } from "../domain/mod.ts";

/** Asks every recogniser that has to ask its server; rejects with the first error once all have answered. */
export function offeredLanguages(
  recognisers: readonly Pick<SpeechToText, "languages" | "askLanguages">[],
): Pick<SpeechToText, "languages" | "askLanguages"> {
  const [first] = recognisers;
  if (recognisers.length === 1) return first;
  const mustAsk = recognisers.some(({ askLanguages }) => askLanguages !== undefined);
  return {
    get languages() {
      return recognisers.reduce<readonly Language[]>((all, { languages }) => [
        ...all,
        ...languages.filter(({ id }) => !all.some((known) => isSameVariety(known.id, id))),
      ], []);
    },
    ...mustAsk && {
      async askLanguages(signal) {
        const asked = await Promise.allSettled(recognisers.map((each) => each.askLanguages?.(signal)));
        for (const each of asked) if (each.status === "rejected") throw each.reason;
      },
    },
  };
}
