/** Corrects names and terms that were expected. */
export function corrector(_words: readonly string[]): (text: string) => string {
  return (text) => text;
}
