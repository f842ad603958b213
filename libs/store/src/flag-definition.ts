import type { FlagType, JsonValue, Problem } from '@fledge/evaluation';
import type { Metadata, VariantInfo } from './documents.js';
import { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { keyTaken } from './errors.js';
import { mergePatch } from './merge-patch.js';
import { defaultVariantOf } from './targeting-defaults.js';
import type { Tx } from './transaction.js';

export type NewFlag = {
  readonly key: string;
  readonly type: FlagType;
  readonly name?: string | undefined;
  readonly description?: string | undefined;
  readonly variants?: Readonly<Record<string, JsonValue>> | undefined;
  readonly variantInfo?: VariantInfo | undefined;
  /** Default: what `defaultVariantOf` says. */
  readonly defaultVariant?: string | null | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly permanent?: boolean | undefined;
  readonly owner?: string | null | undefined;
  readonly metadata?: Metadata | undefined;
};

/** A merge patch (RFC 7386), but that `variants` is replaced whole; null takes a field back to its default. */
export type FlagEdit = {
  readonly name?: string | null | undefined;
  readonly description?: string | null | undefined;
  readonly variants?: Readonly<Record<string, JsonValue>> | undefined;
  readonly variantInfo?: unknown;
  readonly defaultVariant?: string | null | undefined;
  readonly tags?: readonly string[] | null | undefined;
  readonly permanent?: boolean | null | undefined;
  readonly owner?: string | null | undefined;
  readonly metadata?: unknown;
};

export type Definition = { variants: Record<string, JsonValue>; variantInfo: VariantInfo; metadata: Metadata };

export async function insertFlag(tx: Tx, owner: ProjectRow, input: NewFlag, definition: Definition): Promise<FlagRow> {
  const row = tx.create(FlagRow, {
    projectId: owner.id,
    key: input.key,
    type: input.type,
    name: input.name ?? input.key,
    description: input.description ?? '',
    variants: definition.variants,
    variantInfo: definition.variantInfo,
    metadata: definition.metadata,
    defaultVariant:
      input.defaultVariant === undefined ? defaultVariantOf(input.type, definition.variants) : input.defaultVariant,
    tags: [...new Set(input.tags ?? [])],
    permanent: input.permanent ?? false,
    owner: input.owner ?? null,
    archivedAt: null,
  });
  try {
    return await tx.save(row);
  } catch (error) {
    throw keyTaken(error, 'flag', input.key);
  }
}

/** The row after the edit; nothing is saved. */
export function applyEdit(row: FlagRow, edit: FlagEdit): FlagRow {
  return {
    ...row,
    name: edit.name === undefined ? row.name : (edit.name ?? row.key),
    description: edit.description === undefined ? row.description : (edit.description ?? ''),
    variants: edit.variants === undefined ? row.variants : { ...edit.variants },
    variantInfo: mergePatch<FlagRow['variantInfo']>(row.variantInfo, edit.variantInfo),
    defaultVariant: edit.defaultVariant === undefined ? row.defaultVariant : edit.defaultVariant,
    tags: edit.tags === undefined ? row.tags : [...new Set(edit.tags ?? [])],
    permanent: edit.permanent === undefined ? row.permanent : (edit.permanent ?? false),
    owner: edit.owner === undefined ? row.owner : edit.owner,
    metadata: mergePatch<FlagRow['metadata']>(row.metadata, edit.metadata),
  };
}

/** The columns that an edit may change. */
export const editable = (row: FlagRow) => ({
  name: row.name,
  description: row.description,
  variants: row.variants,
  variantInfo: row.variantInfo,
  defaultVariant: row.defaultVariant,
  tags: row.tags,
  permanent: row.permanent,
  owner: row.owner,
  metadata: row.metadata,
  archivedAt: row.archivedAt,
  version: row.version,
  updatedAt: row.updatedAt,
});

export function defaultVariantProblems(row: FlagRow): Problem[] {
  if (row.defaultVariant === null || Object.hasOwn(row.variants, row.defaultVariant)) return [];
  return [
    {
      pointer: '/defaultVariant',
      code: 'unknown_variant',
      message: `Expected one of the variants ${Object.keys(row.variants).join(', ')}, got "${row.defaultVariant}".`,
    },
  ];
}
