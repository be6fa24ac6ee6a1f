/** Work counted instead of timed: how many entries of Maps and Sets are looked at while something runs. */

interface Prototype {
  next: () => IteratorResult<unknown>;
}
const MAPS: Prototype = Object.getPrototypeOf(new Map()[Symbol.iterator]());
const SETS: Prototype = Object.getPrototypeOf(new Set()[Symbol.iterator]());

export function stepsOf(run: () => void): number {
  let steps = 0;
  const originals = [MAPS, SETS].map((prototype) => ({ prototype, next: prototype.next }));
  for (const { prototype, next } of originals) {
    prototype.next = function () {
      steps++;
      return next.call(this);
    };
  }
  try {
    run();
  } finally {
    for (const { prototype, next } of originals) prototype.next = next;
  }
  return steps;
}
