import {
  validateCohort,
  validateDefinition,
  validateFlag,
  type Cohort,
  type Flag,
  type Problem,
} from '@fledge/evaluation';
import { joinFlag } from './documents.js';
import type { ExportedFlag, ProjectExport } from './exports.js';
import type { Limits } from './limits.js';
import { initialTargeting } from './targeting-defaults.js';
import type { Targeting } from './entities/targeting.entity.js';

/** What a project holds already, as an import meets it. */
export type Present = {
  readonly environments: readonly string[];
  readonly types: ReadonlyMap<string, Flag['type']>;
  readonly cohorts: Readonly<Record<string, Cohort>>;
  /** The flags that are not archived, by environment. */
  readonly flags: ReadonlyMap<string, Readonly<Record<string, Flag>>>;
};

/** Every problem of an import: each document is judged against the whole project as it would stand afterwards. */
export function importProblems(
  { environments, cohorts, flags }: ProjectExport,
  present: Present,
  limits: Limits,
  unsafe: ReadonlyMap<string, string>,
): Problem[] {
  const check = (pattern: string): string | undefined => unsafe.get(pattern);
  const all = { ...present.cohorts, ...Object.fromEntries(cohorts.map((each): [string, Cohort] => [each.key, each])) };
  const places = [...new Set([...present.environments, ...environments.map(({ key }) => key)])];
  return [
    ...duplicates('/environments', environments),
    ...duplicates('/cohorts', cohorts),
    ...duplicates('/flags', flags),
    ...tooMany('/environments', places.length, limits, 'environments'),
    ...tooMany('/cohorts', Object.keys(all).length, limits, 'cohorts'),
    ...tooMany('/flags', new Set([...present.types.keys(), ...flags.map(({ key }) => key)]).size, limits, 'flags'),
    ...cohorts.flatMap(({ key, attribute, rules, included, excluded }, index) =>
      at(
        `/cohorts/${index}`,
        validateCohort({ key, attribute, rules, included, excluded }, { flags: {}, cohorts: all }, limits, check)
          .problems,
      ),
    ),
    ...flags.flatMap((flag, index) => at(`/flags/${index}`, definitionProblems(flag, present, limits))),
    ...places.flatMap((place) => placeProblems(place, flags, { ...present, cohorts: all }, limits, check)),
    ...flags.flatMap(({ targeting }, index) =>
      Object.keys(targeting)
        .filter((key) => !places.includes(key))
        .map((key) => ({
          pointer: `/flags/${index}/targeting/${key}`,
          code: 'unknown_environment',
          message: `Expected one of the environments ${places.join(', ')}.`,
        })),
    ),
  ];
}

function definitionProblems(flag: ExportedFlag, { types }: Present, limits: Limits): Problem[] {
  const { key, type, variants, variantInfo, metadata, defaultVariant } = flag;
  const problems = [...validateDefinition({ key, type, variants, variantInfo, metadata }, limits).problems];
  const is = types.get(key);
  if (is !== undefined && is !== type) {
    const message = `Expected ${is}: the flag is there already, and a type never changes.`;
    problems.push({ pointer: '/type', code: 'type_changed', message });
  }
  if (defaultVariant !== null && typeof variants === 'object' && !Object.hasOwn(variants, defaultVariant))
    problems.push({ pointer: '/defaultVariant', code: 'unknown_variant', message: 'Expected one of the variants.' });
  return problems;
}

/** What only a targeting document can be wrong about; the rest is said once, of the definition. */
const OF_TARGETING = /^\/(enabled|offVariant|prerequisites|rules|fallthrough)(\/|$)/;

function placeProblems(
  place: string,
  flags: readonly ExportedFlag[],
  present: Present,
  limits: Limits,
  check: (pattern: string) => string | undefined,
): Problem[] {
  const served = Object.fromEntries(
    flags
      .filter(({ archived }) => !archived)
      .map((flag): [string, Flag] => [flag.key, joinFlag(flag, targetingOf(flag, place, present))]),
  );
  const surroundings = { flags: { ...present.flags.get(place), ...served }, cohorts: present.cohorts };
  return flags.flatMap((flag, index) => {
    if (!Object.hasOwn(flag.targeting, place)) return [];
    const joined = joinFlag(flag, targetingOf(flag, place, present));
    const own = { ...surroundings, flags: { ...surroundings.flags, [flag.key]: joined } };
    const { problems } = validateFlag(joined, own, limits, check);
    return at(
      `/flags/${index}/targeting/${place}`,
      problems.filter(({ pointer }) => OF_TARGETING.test(pointer)),
    );
  });
}

function targetingOf(flag: ExportedFlag, place: string, present: Present): Targeting {
  if (Object.hasOwn(flag.targeting, place)) return flag.targeting[place] ?? initialTargeting(row(flag));
  const served = present.flags.get(place)?.[flag.key];
  return served ?? initialTargeting(row(flag));
}

const row = (flag: ExportedFlag) => ({ ...flag, variants: { ...flag.variants } });

const at = (place: string, problems: readonly Problem[]): Problem[] =>
  problems.map((each) => ({ ...each, pointer: `${place}${each.pointer}` }));

function duplicates(pointer: string, items: readonly { readonly key: string }[]): Problem[] {
  const seen = new Set<string>();
  return items.flatMap(({ key }, index) => {
    const folded = key.toLowerCase();
    if (!seen.has(folded)) {
      seen.add(folded);
      return [];
    }
    return [
      { pointer: `${pointer}/${index}/key`, code: 'duplicate', message: 'Expected each key once, regardless of case.' },
    ];
  });
}

function tooMany(
  pointer: string,
  count: number,
  limits: Limits,
  what: 'environments' | 'cohorts' | 'flags',
): Problem[] {
  const limit = `${what}PerProject` as const;
  if (count <= limits[limit]) return [];
  const message = `Expected at most ${limits[limit]} ${what} in the project (the limit ${limit}); it would have ${count}.`;
  return [{ pointer, code: 'too_many', message }];
}
