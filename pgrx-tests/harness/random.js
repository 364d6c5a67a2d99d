// Random choices that a seed repeats.

/** mulberry32: short, and good enough to choose by. */
export function randomBy(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const below = (bound) => Math.floor(next() * bound);
  return {
    /** 0 … bound - 1 */
    below,
    /** from … to */
    between: (from, to) => from + below(to - from + 1),
    chance: (probability) => next() < probability,
    pick: (list) => list[below(list.length)],
    /** A key of the object, its value being the weight. */
    weighted(weights) {
      let at = next() * Object.values(weights).reduce((sum, weight) => sum + weight, 0);
      return Object.keys(weights).find((key) => (at -= weights[key]) < 0) ?? Object.keys(weights)[0];
    },
  };
}
