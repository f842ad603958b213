/** What is remembered of a unit in one epoch: bits are metrics. */
export type Unit = {
  /** The report that the unit was last seen for. */
  report: number;
  exposed: boolean;
  /** Seen, and failed, since the last report. */
  active: number;
  failed: number;
  /** Failed before the last report. */
  before: number;
};

/** How many units are remembered per rollout and epoch. */
const MOST_UNITS = 5_000;

/**
 * The units of one epoch, by bucket: 32 bits of a hash that cannot be turned back. At most 5,000; of more the one seen
 * longest ago is forgotten, and is a new one when it returns.
 */
export class Units {
  readonly #known = new Map<number, Unit>();
  /** Stands before the oldest: one iterator for good, as a new one would walk over all that was deleted. */
  readonly #oldest = this.#known.keys();
  /** Counts reports. */
  #report = 0;
  /** How many were forgotten since the last report. */
  forgotten = 0;

  /** The unit, its bits of the last report out of the way. */
  find(bucket: number): Unit {
    let unit = this.#known.get(bucket);
    if (unit?.report === this.#report) return unit;
    if (unit === undefined) {
      if (this.#known.size >= MOST_UNITS) this.#forgetOldest();
      unit = { report: 0, exposed: false, active: 0, failed: 0, before: 0 };
    } else this.#known.delete(bucket);
    unit.report = this.#report;
    unit.before |= unit.failed;
    unit.active = unit.failed = 0;
    // To the end: a Map keeps its order, so the first is always the one seen longest ago.
    this.#known.set(bucket, unit);
    return unit;
  }

  /** Begins the next report. */
  next(): void {
    this.#report++;
    this.forgotten = 0;
  }

  #forgetOldest(): void {
    const { value, done } = this.#oldest.next();
    if (done) return;
    this.#known.delete(value);
    this.forgotten++;
  }
}
