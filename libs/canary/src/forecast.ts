import { alphaOf, neededRequests } from './alpha.js';
import { milliseconds } from './duration.js';
import type { Plan } from './plan.js';
import { plannedShare } from './share.js';

/** What was seen of the audience lately, both arms together, per millisecond; units null: nobody counted them. */
export type Traffic = { readonly requests: number; readonly units: number | null };

/** What a stage can expect. */
export type StageForecast = {
  readonly stage: number;
  readonly percentage: number;
  /** The canary's requests and first exposures within minBake. */
  readonly expected: { readonly requests: number; readonly units: number | null };
  /** The canary's requests needed to find 2, 3 and 5 times the failures. */
  readonly needed: Readonly<Record<'2' | '3' | '5', number>>;
  /** minSamples will not be met within maxBake, as far as is known. */
  readonly tooFew: boolean;
};

/** What each stage below 100 can expect with this traffic and this rate of failures, for a start's answer and a dry run. */
export function forecast(plan: Plan, traffic: Traffic, rate = 0.01): StageForecast[] {
  const alpha = Math.min(...plan.guardrails.map((_, index) => alphaOf(plan, index)), plan.alpha);
  const needed = { 2: 0, 3: 0, 5: 0 };
  for (const ratio of [2, 3, 5] as const) needed[ratio] = neededRequests(alpha, rate, ratio);
  return plan.stages.flatMap(({ percentage, minBake, maxBake, minSamples }, stage) => {
    if (percentage === 100) return [];
    const share = plannedShare(percentage);
    const within = (bake: string) => ({
      requests: Math.round(traffic.requests * share * milliseconds(bake)),
      units: traffic.units === null ? null : Math.round(traffic.units * share * milliseconds(bake)),
    });
    const most = within(maxBake);
    const tooFew = most.requests < minSamples.requests || (most.units ?? Infinity) < minSamples.units;
    return [{ stage, percentage, expected: within(minBake), needed, tooFew }];
  });
}
