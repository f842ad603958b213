// What the documents of scenarios.mjs say, without Fledge's way of saying it, so that each engine need only translate.

/**
 * Every flag as `{ key, type, on, rules, split? }`: `on` is what a boolean flag gives to those whom no rule meets;
 * `rules` give true to those who meet all `conditions` (`{ attribute, operator, values }` or `{ cohort }`), to
 * `percentage` of them; `split` shares everybody out: `{ value, weight }`, in percent.
 */
export function plain(snapshot) {
  return Object.values(snapshot.flags).map(({ key, type, variants, rules, fallthrough }) => ({
    key,
    type,
    on: variants[fallthrough.variant] === true,
    rules: rules.map(({ conditions, gate }) => ({
      percentage: gate?.percentage ?? 100,
      conditions: conditions.map((one) => (one.cohorts === undefined ? one : { cohort: one.cohorts[0] })),
    })),
    split: fallthrough.split?.map(({ variant, weight }) => ({ value: variants[variant], weight })),
  }));
}

/** Every cohort as `{ key, members }`. */
export const cohorts = (snapshot) =>
  Object.values(snapshot.cohorts).map(({ key, included }) => ({ key, members: included }));

/** The keys of all flags by what is asked of them. */
export function keysByType(snapshot) {
  const of = (type) => Object.values(snapshot.flags).flatMap((flag) => (flag.type === type ? [flag.key] : []));
  return { booleans: of('boolean'), strings: of('string') };
}
