import type { CohortRule, Flag, FlagType, JsonValue, Problem } from '@fledge/evaluation';
import type { CohortRow } from './entities/cohort.entity.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import type { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import type { Targeting } from './entities/targeting.entity.js';

/** The documents that stores answer with: plain JSON, as the API shows it. */

export type ProjectDocument = {
  readonly key: string;
  readonly name: string;
  readonly description: string;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
};

export type EnvironmentDocument = ProjectDocument & {
  readonly project: string;
  /** Whether every change here needs a comment, and it cannot be deleted. */
  readonly protected: boolean;
  /** The version of what SDKs see. */
  readonly snapshotVersion: number;
};

export type VariantInfo = Readonly<Record<string, { readonly name?: string; readonly description?: string }>>;
export type Metadata = Readonly<Record<string, string | number | boolean>>;

export type FlagDocument = {
  readonly key: string;
  readonly project: string;
  readonly type: FlagType;
  readonly name: string;
  readonly description: string;
  readonly variants: Readonly<Record<string, JsonValue>>;
  readonly variantInfo: VariantInfo;
  readonly defaultVariant: string | null;
  readonly tags: readonly string[];
  readonly permanent: boolean;
  readonly owner: string | null;
  readonly metadata: Metadata;
  readonly archivedAt: string | null;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly warnings?: readonly Problem[];
};

export type TargetingDocument = Targeting & {
  readonly key: string;
  readonly environment: string;
  readonly version: number;
  readonly updatedAt: string;
  readonly warnings?: readonly Problem[];
};

export type CohortDocument = {
  readonly key: string;
  readonly project: string;
  readonly name: string;
  readonly description: string;
  readonly attribute: string;
  readonly rules: readonly CohortRule[];
  readonly members: { readonly included: number; readonly excluded: number };
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly warnings?: readonly Problem[];
};

export const projectDocument = (row: ProjectRow): ProjectDocument => ({
  key: row.key,
  name: row.name,
  description: row.description,
  version: row.version,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});

export const environmentDocument = (row: EnvironmentRow, project: string): EnvironmentDocument => ({
  key: row.key,
  project,
  name: row.name,
  description: row.description,
  protected: row.protected,
  version: row.version,
  snapshotVersion: row.snapshotVersion,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});

export const flagDocument = (row: FlagRow, project: string): FlagDocument => ({
  key: row.key,
  project,
  type: row.type,
  name: row.name,
  description: row.description,
  variants: row.variants,
  variantInfo: row.variantInfo,
  defaultVariant: row.defaultVariant,
  tags: row.tags,
  permanent: row.permanent,
  owner: row.owner,
  metadata: row.metadata,
  archivedAt: row.archivedAt === null ? null : iso(row.archivedAt),
  version: row.version,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});

export const targetingDocument = (
  flag: string,
  environment: string,
  targeting: Targeting,
  version: number,
  updatedAt: Date,
): TargetingDocument => ({
  key: flag,
  environment,
  version,
  enabled: targeting.enabled,
  offVariant: targeting.offVariant,
  prerequisites: targeting.prerequisites,
  rules: targeting.rules,
  fallthrough: targeting.fallthrough,
  ...(targeting.measure === undefined ? {} : { measure: targeting.measure }),
  updatedAt: iso(updatedAt),
});

export const cohortDocument = (
  row: CohortRow,
  project: string,
  members: { included: number; excluded: number },
): CohortDocument => ({
  key: row.key,
  project,
  name: row.name,
  description: row.description,
  attribute: row.attribute ?? 'targetingKey',
  rules: row.rules,
  members,
  version: row.version,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});

/** A flag as an environment's snapshot holds it: the project-wide part joined with the targeting. */
export function joinFlag(flag: Pick<FlagRow, 'key' | 'type' | 'variants' | 'metadata'>, targeting: Targeting): Flag {
  const joined: Flag = {
    key: flag.key,
    type: flag.type,
    enabled: targeting.enabled,
    variants: flag.variants,
    offVariant: targeting.offVariant,
    prerequisites: targeting.prerequisites,
    rules: targeting.rules,
    fallthrough: targeting.fallthrough,
    ...(targeting.measure === undefined ? {} : { measure: targeting.measure }),
  };
  return Object.keys(flag.metadata).length === 0 ? joined : { ...joined, metadata: flag.metadata };
}

export const iso = (date: Date): string => date.toISOString();
