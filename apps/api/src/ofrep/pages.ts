/** So much is kept for the next answers; beyond it memory goes back to the system. */
const MOST_BYTES = 8_388_608;
const PAGE = 4_096;

/**
 * Memory for answers, used again once they are sent: to fill pages that the system has to find first takes several times as long as to
 * fill those that were filled before.
 */
export class Pages {
  readonly #free: Buffer[] = [];
  #bytes = 0;

  /** At least this many bytes, with anything in them. */
  take(length: number): Buffer {
    const free = this.#free.pop();
    if (free === undefined) return Buffer.allocUnsafeSlow(Math.ceil((length * 1.25) / PAGE) * PAGE);
    this.#bytes -= free.length;
    return free.length >= length ? free : this.take(length);
  }

  /** Takes back what `take` gave, or a part of it that nobody reads any more. */
  give(part: Buffer): void {
    const whole = Buffer.from(part.buffer);
    if (this.#bytes + whole.length > MOST_BYTES) return;
    this.#bytes += whole.length;
    this.#free.push(whole);
  }
}
