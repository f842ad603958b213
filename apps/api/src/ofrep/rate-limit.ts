/** A bucket of requests per key, filled evenly and holding one second's worth at most. */
export class RateLimit {
  readonly #perSecond: number;
  readonly #now: () => number;
  readonly #buckets = new Map<string, { left: number; at: number }>();

  /** `now` in milliseconds. */
  constructor(perSecond: number, now: () => number = () => performance.now()) {
    this.#perSecond = perSecond;
    this.#now = now;
  }

  /** Takes one request from the key's bucket. Answers how many whole seconds to wait: 0 when there was one. */
  take(key: string): number {
    const now = this.#now();
    const bucket = this.#buckets.get(key) ?? { left: this.#perSecond, at: now };
    this.#buckets.set(key, bucket);
    bucket.left = Math.min(this.#perSecond, bucket.left + ((now - bucket.at) / 1_000) * this.#perSecond);
    bucket.at = now;
    if (bucket.left < 1) return Math.ceil((1 - bucket.left) / this.#perSecond);
    bucket.left -= 1;
    return 0;
  }
}
