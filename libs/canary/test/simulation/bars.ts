import { rateOf, testedOf } from '../support/tested.js';
import { clusteredFalseRollbacks, correlated, slowByNature } from './clustered.js';
import type { Crowd } from './clustered.js';
import { greatestExpectation, greatestLimitExpectation } from './enumeration.js';
import { ratioAlarms } from './ratio.js';
import type { Ramp } from './ratio.js';
import { BACKGROUNDS, SLOWED, bareErrors, detection, falseRollbacks, quantileOf, usualErrors } from './shares.js';
import type { Detection } from './shares.js';

/** Something that must be shown: what `runs` seeded runs measure is at most, or at least, so much. */
export type Bar = {
  readonly name: string;
  readonly bar: { readonly atMost: number } | { readonly atLeast: number };
  /** Of the whole simulation; every test run takes a quarter. */
  readonly runs: number;
  readonly measure: (runs: number) => Measured;
};

/** The figure that is compared with the bar, and others to report. */
type Measured = { readonly figure: number; readonly more?: string };

const SEED = 1;
const share = (value: number): Measured => ({ figure: value });

const ENUMERATION: Bar[] = [
  {
    name: 'E[S] of no worse, every margin and offset',
    bar: { atMost: 1 + 1e-9 },
    runs: 1,
    measure: () => share(greatestExpectation(false)),
  },
  {
    name: 'E[S] of proven safe, every margin and offset',
    bar: { atMost: 1 + 1e-9 },
    runs: 1,
    measure: () => share(greatestExpectation(true)),
  },
  {
    name: 'E[S] of an absolute limit',
    bar: { atMost: 1 + 1e-9 },
    runs: 1,
    measure: () => share(greatestLimitExpectation()),
  },
];

const FALSE_ROLLBACKS: Bar[] = [0.001, 0.01, 0.05].flatMap((base) =>
  Object.entries(BACKGROUNDS).map(([name, background]) => ({
    name: `false rollbacks, base ${base * 100} %, ${name}`,
    bar: { atMost: 0.04 },
    runs: 500,
    measure: (runs: number) => share(falseRollbacks(base, background, runs, SEED)),
  })),
);

const WRONG_WEIGHTS: Bar = {
  name: 'wrong on purpose: weight ½ at every start',
  bar: { atLeast: 0.2 },
  runs: 100,
  measure: (runs) => share(falseRollbacks(0.01, (base) => base, runs, SEED, true)),
};

function found(name: string, setting: Detection, within: number): Bar {
  const measure = (runs: number): Measured => {
    const requests = detection(setting, runs, SEED);
    return { figure: quantileOf(requests, 0.95), more: `median ${quantileOf(requests, 0.5)}` };
  };
  return { name, bar: { atMost: within }, runs: 2000, measure };
}

const DETECTION: Bar[] = [
  ...(
    [
      [2, 3300],
      [3, 1070],
      [5, 390],
    ] as const
  ).map(([times, within]) =>
    found(`canary requests by which 95 % of ${times} × errors are found, no margin`, bareErrors(times), within),
  ),
  ...(
    [
      [2, 5600],
      [3, 1600],
      [5, 525],
    ] as const
  ).map(([times, within]) =>
    found(`canary requests by which 95 % of ${times} × errors are found, defaults`, usualErrors(times), within),
  ),
];

function slow(name: string, part: Partial<Detection>, within: number): Bar {
  const guardrail = testedOf({ metric: 'latency', margin: { relative: 0, absolute: 0 } });
  const setting = {
    guardrail,
    alpha: 0.05,
    horizon: 360,
    canary: 20,
    baseline: 380,
    rate: 0.05,
    harmed: SLOWED,
    warmedUp: true,
    ...part,
  };
  const measure = (runs: number): Measured => {
    const requests = detection(setting, runs, SEED);
    const figure = requests.filter((count) => count <= within).length / runs;
    return { figure, more: `median ${quantileOf(requests, 0.5)}, 95 % ${quantileOf(requests, 0.95)}` };
  };
  return { name: `${name}: found within ${within} requests`, bar: { atLeast: 0.9 }, runs: 1000, measure };
}

const LATENCY: Bar[] = [
  slow('p95 + 50 %, no margin', {}, 500),
  slow(
    'p95 + 50 %, defaults',
    {
      guardrail: testedOf({ metric: 'latency', floors: { failures: 5, requests: 20, units: 3, windows: 2 } }),
      alpha: 0.025,
      horizon: 2100,
      canary: 75,
      baseline: 1425,
    },
    700,
  ),
];

const CROWD = { users: 20_000, active: 50, requests: 10 } as const;

function clustered(
  name: string,
  guardrail: ReturnType<typeof rateOf>,
  crowd: Crowd,
  runs: number,
  bar: Bar['bar'],
): Bar {
  return {
    name,
    bar,
    runs,
    measure: (count) => share(clusteredFalseRollbacks([guardrail], crowd, count, SEED)[0] ?? NaN),
  };
}

const CLUSTERED: Bar[] = [20_000, 2_000].flatMap((users) =>
  [0.05, 0.2].flatMap((correlation) =>
    [1, 4, 10].flatMap((processes) => {
      const crowd = { ...CROWD, users, processes, rate: correlated(0.01, correlation) };
      const name = `clustered errors, ${users} users, correlation ${correlation}, ${processes} processes`;
      return [
        clustered(`${name}, unit_window`, rateOf({ dispersion: 3 }), crowd, 150, { atMost: 0.06 }),
        ...(processes === 4
          ? [clustered(`${name}, request`, rateOf({ count: 'request', dispersion: 3 }), crowd, 150, { atMost: 0.1 })]
          : []),
      ];
    }),
  ),
);

const UNGROUPED: Bar = clustered(
  'wrong on purpose: requests without dispersion, correlation 0.2',
  rateOf({ count: 'request', dispersion: 1 }),
  { ...CROWD, processes: 10, rate: correlated(0.01, 0.2), ungrouped: true },
  60,
  { atLeast: 0.2 },
);

const SLOW_USERS: Bar[] = [0.05, 0.2].flatMap((correlation) =>
  [1, 10].map((processes) => {
    const crowd = { ...CROWD, processes, rate: slowByNature(correlation) };
    const guardrail = testedOf({ metric: 'latency', margin: { relative: 0, absolute: 0 } });
    return clustered(`clustered latency, correlation ${correlation}, ${processes} processes`, guardrail, crowd, 200, {
      atMost: 0.06,
    });
  }),
);

const RAMP: Ramp = { stages: [0.01, 0.05, 0.25, 0.5], units: 12_000, times: 1, loss: 0, atOnce: false };

const RATIOS: Bar[] = [
  ...[1, 5, 10].map((times) => ({
    name: `sample ratio over four stages, each unit seen ${times} ×, nothing lost`,
    bar: { atMost: 0.003 },
    runs: 300,
    measure: (runs: number) => share(ratioAlarms({ ...RAMP, times }, runs, SEED)),
  })),
  ...[1, 10].map((times) => ({
    name: `sample ratio at 50/50, each of 12,000 units seen ${times} ×, 10 % of the canary lost`,
    bar: { atLeast: 0.85 },
    runs: 300,
    measure: (runs: number) => share(ratioAlarms({ ...RAMP, times, stages: [0.5], loss: 0.1 }, runs, SEED)),
  })),
];

/** Everything that simulation must show, in the order of the documentation. */
export const BARS = {
  shares: [...ENUMERATION, ...FALSE_ROLLBACKS, WRONG_WEIGHTS, ...DETECTION, ...LATENCY],
  clustered: [...CLUSTERED, UNGROUPED, ...SLOW_USERS],
  ratios: RATIOS,
} as const;

/** True when a figure meets the bar. */
export function meets(bar: Bar['bar'], figure: number): boolean {
  return 'atMost' in bar ? figure <= bar.atMost : figure >= bar.atLeast;
}
