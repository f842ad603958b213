import type { Cohort } from './cohort.js';
import type { Flag } from './flag.js';
import { elements, own } from './json.js';

function addCohorts(found: Set<string>, rules: unknown): void {
  for (const rule of elements(rules))
    for (const condition of elements(own(rule, 'conditions')))
      for (const key of elements(own(condition, 'cohorts'))) if (typeof key === 'string') found.add(key);
}

/** The cohorts that the conditions of a flag's rules name, in order of appearance. */
export function cohortsOf(flag: Pick<Flag, 'rules'>): Set<string> {
  const found = new Set<string>();
  addCohorts(found, own(flag, 'rules'));
  return found;
}

/** The cohorts that a cohort's own rules name. */
export function cohortsOfCohort(cohort: Pick<Cohort, 'rules'>): Set<string> {
  const found = new Set<string>();
  addCohorts(found, own(cohort, 'rules'));
  return found;
}

/** The flags that a flag names as prerequisites. */
export function prerequisitesOf(flag: Pick<Flag, 'prerequisites'>): Set<string> {
  const keys = elements(own(flag, 'prerequisites')).map((prerequisite) => own(prerequisite, 'flag'));
  return new Set(keys.filter((key) => typeof key === 'string'));
}

function variantsServed(serve: unknown): readonly unknown[] {
  return [own(serve, 'variant'), ...elements(own(serve, 'split')).map((entry) => own(entry, 'variant'))];
}

/** The flag's own variants that its targeting serves or names, the arms of rollouts included. */
export function variantsNamed(targeting: Pick<Flag, 'offVariant' | 'rules' | 'fallthrough' | 'measure'>): Set<string> {
  const found: unknown[] = [targeting.offVariant, ...variantsServed(targeting.fallthrough)];
  for (const holder of [targeting, ...elements(targeting.rules)]) {
    found.push(own(own(holder, 'measure'), 'canary'), own(own(holder, 'measure'), 'baseline'));
    found.push(...variantsServed(own(holder, 'serve')), own(own(holder, 'gate'), 'otherwise'));
  }
  return new Set(found.filter((variant) => typeof variant === 'string'));
}

/** Adds to the cohorts named those that they name in turn, and leaves out what is missing. */
export function reachFrom(found: Set<string>, cohorts: Readonly<Record<string, Cohort>>): Set<string> {
  // A set is iterated up to its end as it is then, so what is added on the way is visited too.
  for (const key of found) {
    const cohort = own(cohorts, key);
    if (cohort === undefined) found.delete(key);
    else addCohorts(found, own(cohort, 'rules'));
  }
  return found;
}

/** The cohorts that evaluating the flags may look at: those they name, and those that these name. Missing ones are left out. */
export function reachableCohorts(
  flags: Iterable<Pick<Flag, 'rules'>>,
  cohorts: Readonly<Record<string, Cohort>>,
): Set<string> {
  const found = new Set<string>();
  for (const flag of flags) addCohorts(found, own(flag, 'rules'));
  return reachFrom(found, cohorts);
}
