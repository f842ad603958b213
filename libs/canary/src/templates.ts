import type { PlanDocument } from './plan.js';

/** The plans that are always there, by name. */
export const TEMPLATES = {
  standard: {
    warmup: '10m',
    stages: [
      { percentage: 1, minBake: '30m' },
      { percentage: 5, minBake: '1h' },
      { percentage: 25, minBake: '4h' },
      { percentage: 50, minBake: '12h' },
      { percentage: 100 },
    ],
    watch: '24h',
  },
  careful: {
    warmup: '10m',
    stages: [
      { percentage: 0.5, minBake: '4h' },
      { percentage: 2, minBake: '12h' },
      { percentage: 10, minBake: '24h' },
      { percentage: 50, minBake: '24h', gates: [{ type: 'approval' }] },
      { percentage: 100 },
    ],
    watch: '24h',
  },
  quick: {
    warmup: '0s',
    window: '10s',
    stages: [
      { percentage: 5, minBake: '2m', minSamples: { requests: 100, units: 20 } },
      { percentage: 50, minBake: '3m', minSamples: { requests: 100, units: 20 } },
      { percentage: 100 },
    ],
    watch: '24h',
  },
} as const satisfies Readonly<Record<string, PlanDocument>>;

/** The name of a plan that is always there. */
export type TemplateName = keyof typeof TEMPLATES;

/** True for the name of a plan that is always there. */
export function isTemplateName(name: unknown): name is TemplateName {
  return typeof name === 'string' && Object.hasOwn(TEMPLATES, name);
}
