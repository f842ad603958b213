import type { Cohort, Flag, Snapshot } from '@fledge/evaluation';

/** A text flag with the variants a, b and c that serves a to everyone. */
export function flagOf(part: Partial<Flag> = {}): Flag {
  return {
    key: 'flag',
    type: 'string',
    enabled: true,
    variants: { a: 'A', b: 'B', c: 'C' },
    offVariant: null,
    prerequisites: [],
    rules: [],
    fallthrough: { variant: 'a' },
    ...part,
  };
}

export function cohortOf(part: Partial<Cohort> = {}): Cohort {
  return { key: 'cohort', included: [], excluded: [], rules: [], ...part };
}

/** A snapshot of version 1 that holds these documents under their own keys. */
export function snapshotOf(flags: readonly Flag[], cohorts: readonly Cohort[] = []): Snapshot {
  return {
    project: 'project',
    environment: 'environment',
    version: 1,
    flags: Object.fromEntries(flags.map((flag) => [flag.key, flag])),
    cohorts: Object.fromEntries(cohorts.map((cohort) => [cohort.key, cohort])),
  };
}
