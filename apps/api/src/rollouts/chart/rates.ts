import type { RolloutTick } from '@fledge/store';

type Tally = { readonly n: number; readonly k: number };

/** A share of failures, and where it lies with a chance of 95 %. */
export type Rate = { readonly rate: number; readonly low: number; readonly high: number };

/** What both arms showed between two ticks, in the middle of that time (epoch milliseconds). */
export type RatePoint = { readonly at: number; readonly canary: Rate | undefined; readonly control: Rate | undefined };

const Z = 1.959964;
const NONE: Tally = { n: 0, k: 0 };

/** The interval of a share by Wilson (1927); undefined of nothing. */
function wilson({ n, k }: Tally): Rate | undefined {
  if (n <= 0) return undefined;
  const rate = Math.min(1, Math.max(0, k / n));
  const scale = 1 + Z ** 2 / n;
  const middle = (rate + Z ** 2 / (2 * n)) / scale;
  const half = (Z / scale) * Math.sqrt((rate * (1 - rate)) / n + (Z / (2 * n)) ** 2);
  return { rate, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/** What came on top; sums that shrank began anew. */
const since = (now: Tally, before: Tally): Tally =>
  now.n < before.n || now.k < before.k ? now : { n: now.n - before.n, k: now.k - before.k };

/** The rates of a guardrail from tick to tick, at most so many; where an arm showed nothing it has no rate. */
export function ratesOf(ticks: readonly RolloutTick[], guardrail: number, from: number, most: number): RatePoint[] {
  const step = Math.max(1, Math.ceil(ticks.length / most));
  let [at, canary, control] = [from, NONE, NONE];
  return ticks.flatMap((tick, index) => {
    if ((ticks.length - 1 - index) % step !== 0) return [];
    const check = tick.checks.find((each) => each.guardrail === guardrail);
    const [nowCanary, nowControl, now] = [check?.canary ?? NONE, check?.control ?? NONE, Date.parse(tick.at)];
    const point = {
      at: (at + now) / 2,
      canary: wilson(since(nowCanary, canary)),
      control: wilson(since(nowControl, control)),
    };
    [at, canary, control] = [now, nowCanary, nowControl];
    return point.canary === undefined && point.control === undefined ? [] : [point];
  });
}
