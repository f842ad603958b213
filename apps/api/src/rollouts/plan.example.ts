/** Fifteen minutes, warm-up included, of which somebody approves the first step. */
export const INLINE_PLAN = {
  stages: [
    { percentage: 10, minBake: '5m', minSamples: { requests: 200, units: 50 }, gates: [{ type: 'approval' }] },
    { percentage: 50, minBake: '5m' },
    { percentage: 100 },
  ],
  guardrails: [{ metric: 'errors' }, { metric: 'latency', quantile: 0.95 }],
  warmup: '5m',
  watch: '24h',
  alpha: 0.05,
  window: '10s',
};
