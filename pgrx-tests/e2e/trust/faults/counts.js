/** How often each thing has happened. */
export class Counts {
  #times = new Map();

  add(what, by = 1) {
    this.#times.set(what, this.of(what) + by);
  }

  of(what) {
    return this.#times.get(what) ?? 0;
  }

  /** [what, times], by name. */
  all() {
    return [...this.#times].sort();
  }
}
