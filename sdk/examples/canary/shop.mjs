import { setTimeout as sleep } from 'node:timers/promises';

const USERS = 3_000;
const PER_SECOND = 300;
const TICK_MS = 20;

/** How often a checkout fails, and the median of how long it takes, in ms. */
const WELL = { errors: 0.02, ms: 20 };
const FAULTS = {
  none: WELL,
  errors: { ...WELL, errors: 5 * WELL.errors },
  latency: { ...WELL, ms: 2 * WELL.ms },
};
export const FAULT_NAMES = Object.keys(FAULTS);

/** A normal deviate (Box, Muller 1958). */
const deviate = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());

/** A checkout that takes its time, and sometimes fails. */
const checkout =
  ({ errors, ms }) =>
  async () => {
    await sleep(ms * Math.exp(0.5 * deviate()));
    if (Math.random() < errors) throw new Error('The payment was refused.');
  };

/** An application under load: 300 checkouts a second by 3,000 users, old or new as the flag says. */
export class Shop {
  #flags;
  #handlers;
  #timer;
  requests = 0;
  /** Of the new checkout: how many, and the time (ms) of the first bad one and of the last one. */
  canary = { requests: 0, firstBadAt: undefined, lastAt: undefined };

  constructor(flags, fault) {
    this.#flags = flags;
    const [oldCheckout, newCheckout] = [checkout(WELL), checkout(FAULTS[fault])];
    this.#handlers = {
      off: oldCheckout,
      on: async () => {
        const { canary } = this;
        canary.requests += 1;
        canary.lastAt = performance.now();
        // A slow checkout is a bad one from the first on.
        if (fault === 'latency') canary.firstBadAt ??= canary.lastAt;
        try {
          await newCheckout();
        } catch (error) {
          canary.firstBadAt ??= performance.now();
          throw error;
        }
      },
    };
  }

  open() {
    this.#timer = setInterval(() => {
      for (let n = 0; n < (PER_SECOND * TICK_MS) / 1_000; n += 1) {
        const user = { targetingKey: `user-${Math.floor(Math.random() * USERS)}` };
        this.requests += 1;
        // All that an application does: one call. What fails was counted, and is the user's trouble.
        this.#flags.run('new-checkout', user, this.#handlers).catch(() => undefined);
      }
    }, TICK_MS);
  }

  close() {
    clearInterval(this.#timer);
  }
}
