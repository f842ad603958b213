import { setTimeout as sleep } from 'node:timers/promises';
import type { FledgeClient } from '@fledge/sdk';

type Code = () => Promise<void>;
type Handlers = { readonly on: Code; readonly off: Code };

/** Of the canary's code of a flag, in milliseconds of `performance.now`: when it failed first, and when it ran last. */
export type CanaryTimes = { firstBadAt: number; lastAt: number };

const TICK_MS = 20;
/** Visits per tick: 50 a second, by users who return, and 250, by users who come once. */
export const FEW = { perTick: 1, users: 601 } as const;
export const MANY = { perTick: 5, users: Infinity } as const;

/** Fails every so often, exactly: chance has no part in it. */
export function broken(share: number): Code {
  let debt = 0;
  return async () => {
    debt += share;
    if (debt < 1) return;
    debt -= 1;
    throw new Error('It is broken.');
  };
}

/** Takes so many milliseconds. */
export const late =
  (ms: number): Code =>
  async () => {
    await sleep(ms);
  };

/** An application that uses the SDK as its documentation says, under load. */
export class Application {
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #canaries = new Map<string, CanaryTimes>();

  constructor(readonly flags: FledgeClient) {}

  /** Begins to send visits to the code of a flag; `served` says by which process a unit is. */
  visit(
    flag: string,
    { perTick, users }: { readonly perTick: number; readonly users: number },
    { on, off }: Handlers,
    served: (unit: number, isNew: boolean) => FledgeClient = () => this.flags,
  ): void {
    const times: CanaryTimes = { firstBadAt: Infinity, lastAt: -Infinity };
    this.#canaries.set(flag, times);
    const canary: Code = async () => {
      times.lastAt = performance.now();
      await on().catch((error: unknown) => {
        times.firstBadAt = Math.min(times.firstBadAt, performance.now());
        throw error;
      });
    };
    let turn = 0;
    const isNew = users === Infinity;
    this.#timers.push(
      setInterval(() => {
        for (let n = 0; n < perTick; n += 1) {
          const unit = isNew ? (turn += 1) : (turn += 1) % users;
          const context = { targetingKey: `${isNew ? 'new' : 'user'}-${unit}` };
          // What fails was counted, and is the user's trouble.
          void served(unit, isNew)
            .run(flag, context, { on: canary, off })
            .catch(() => undefined);
        }
      }, TICK_MS),
    );
  }

  /** Fails as often as ever until the flag is at this percentage, and from then on more and more often. */
  leak(flag: string, share: number, percentage: number): Code {
    const asEver = broken(share);
    let since: number | undefined;
    return async () => {
      if (this.flags.snapshot?.flags[flag]?.rules[0]?.measure?.percentage !== percentage) return asEver();
      since ??= performance.now();
      if (Math.random() < Math.min(0.6, share + (performance.now() - since) / 20_000)) throw new Error('It leaks.');
    };
  }

  canary(flag: string): CanaryTimes {
    const times = this.#canaries.get(flag);
    if (times === undefined) throw new Error(`Nobody visits ${flag}.`);
    return times;
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.flags.close();
  }
}
