/** Words to expect, as many as a recogniser takes. */

const encoder = new TextEncoder();
/** ", " of a list. */
const SEPARATOR_BYTES = 2;

/**
 * The first terms, each once and trimmed, while they have at most `bytesMax` bytes of UTF-8 together, with two for each
 * separator. Limits in tokens are estimated by it: a token has at least two bytes of most names.
 */
export function fittingWords(
  terms: Iterable<string>,
  { bytesMax, countMax = Infinity }: { bytesMax: number; countMax?: number },
): string[] {
  const fitting = new Set<string>();
  let bytes = 0;
  for (const term of terms) {
    const trimmed = term.trim();
    if (trimmed === "" || fitting.has(trimmed)) continue;
    bytes += encoder.encode(trimmed).length + SEPARATOR_BYTES;
    if (bytes > bytesMax || fitting.size === countMax) break;
    fitting.add(trimmed);
  }
  return [...fitting];
}
