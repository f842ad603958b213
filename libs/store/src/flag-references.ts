import { isDeepStrictEqual } from 'node:util';
import { variantsNamed } from '@fledge/evaluation';
import { joinFlag } from './documents.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import type { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import type { RolloutRow } from './entities/rollout.entity.js';
import type { Targeting } from './entities/targeting.entity.js';
import { flagsRequiring, refuseReferenced, type Reference } from './references.js';
import { rolloutLive } from './rollouts/live.js';
import { surroundingsOf } from './surroundings.js';
import type { Tx } from './transaction.js';

/** A variant that anything serves or names stays. @throws DomainError `referenced`, with every reference */
export async function refuseServedVariants(
  tx: Tx,
  owner: ProjectRow,
  before: FlagRow,
  after: FlagRow,
  environments: readonly EnvironmentRow[],
  targetings: ReadonlyMap<number, Targeting>,
): Promise<void> {
  const gone = new Set(Object.keys(before.variants).filter((variant) => !Object.hasOwn(after.variants, variant)));
  if (gone.size === 0) return;
  const references: Reference[] = [];
  if (after.defaultVariant !== null && gone.has(after.defaultVariant))
    references.push({ flag: before.key, defaultVariant: after.defaultVariant });
  for (const environment of environments) {
    const targeting = targetings.get(environment.id);
    const named = targeting === undefined ? [] : [...variantsNamed(targeting)].filter((variant) => gone.has(variant));
    references.push(...named.map((variant) => ({ environment: environment.key, flag: before.key, variant })));
  }
  for (const reference of await flagsRequiring(tx, owner.id, before.key, { archived: true })) {
    for (const variant of reference.variants)
      if (gone.has(variant)) references.push({ ...reference, variants: [variant] });
  }
  refuseReferenced('variant', [...gone].join(', '), references);
}

/** The two variants that a running rollout compares stay what they are. @throws DomainError `rollout_live` */
export function refuseRolledVariants(before: FlagRow, after: FlagRow, live: readonly RolloutRow[]): void {
  const isTouched = (variant: string): boolean => !isDeepStrictEqual(before.variants[variant], after.variants[variant]);
  const rollout = live.find(
    ({ state, canary, baseline }) => state !== 'scheduled' && [canary, baseline].some(isTouched),
  );
  if (rollout !== undefined) throw rolloutLive(rollout);
}

/** A flag whose prerequisites are archived would never serve. @throws DomainError `referenced`, with every one of them */
export async function refuseMissingPrerequisites(
  tx: Tx,
  row: FlagRow,
  environments: readonly EnvironmentRow[],
  targetings: ReadonlyMap<number, Targeting>,
): Promise<void> {
  const references: Reference[] = [];
  for (const environment of environments) {
    const targeting = targetings.get(environment.id);
    if (targeting === undefined || targeting.prerequisites.length === 0) continue;
    const { flags } = await surroundingsOf(tx, row.projectId, environment.id, joinFlag(row, targeting));
    for (const { flag } of targeting.prerequisites) {
      if (!Object.hasOwn(flags, flag))
        references.push({ environment: environment.key, flag, needs: 'to be restored first' });
    }
  }
  refuseReferenced('flag', row.key, references, 'needs flags that are archived; restore them first');
}
