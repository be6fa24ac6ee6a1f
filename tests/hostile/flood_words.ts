/** How many of the words said were read, in the order they were said: the longest common subsequence. */
export function arrivedOf(said: readonly string[], read: readonly string[]): number {
  let row = new Array<number>(read.length + 1).fill(0);
  for (const word of said) {
    const next = [0];
    for (const [at, other] of read.entries()) {
      next.push(word === other ? row[at] + 1 : Math.max(row[at + 1], next[at]));
    }
    row = next;
  }
  return row[read.length];
}
