import { randomBytes } from 'node:crypto';
import type { Actor } from './actor.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import type { StoredPatch } from './entities/environment-change.entity.js';
import { refuseUnexplained } from './protection.js';
import type { Tx } from './transaction.js';

/** The channel on which replicas hear that an environment has a new version. A hint, never the truth. */
export const CHANNEL = 'fledge_change';

/** The payload that tells of a revoked token. */
export const TOKENS = 'tokens';

export type SubjectType =
  | 'project'
  | 'environment'
  | 'flag'
  | 'targeting'
  | 'cohort'
  | 'members'
  | 'token'
  | 'rollout'
  | 'rollout-plan'
  | 'webhook';

/** What goes into the log beside who and when. */
export type ChangeRecord = {
  /** For example `flag.created`; what a person reads first. */
  readonly action: string;
  readonly project?: { readonly id: number; readonly key: string };
  readonly subject: { readonly type: SubjectType; readonly key: string };
  readonly environment?: string;
  readonly before: unknown;
  readonly after: unknown;
  /** The change that this one undoes. */
  readonly reverts?: string | undefined;
  /** What undoing this change needs beside `before` and `after`. */
  readonly undo?: unknown;
};

/** An environment whose row is locked, and what happens to its snapshot. Its version is counted on, for the next change of the same transaction. */
export type Touched = {
  readonly environment: Pick<EnvironmentRow, 'id' | 'key' | 'snapshotVersion' | 'protected'>;
  readonly patch: StoredPatch;
};

/** Eight characters that make a revision unlike any other of the same version, even one of a database restored from a backup. */
const suffix = (): string => randomBytes(6).toString('base64url');

export const newRevision = (version: number): string => `${version}-${suffix()}`;

/**
 * Writes the change, raises the version of every environment it touches, and notifies; all in the caller's transaction, which must
 * hold the locks of those environments' rows: the row lock is what makes the log gapless and its order the order of commits.
 * Time never runs backwards within an environment. Answers the change's id.
 * @throws DomainError `comment_required` when a protected environment is touched without a word why
 */
export async function appendChange(
  tx: Tx,
  by: Actor,
  record: ChangeRecord,
  touched: readonly Touched[] = [],
): Promise<string> {
  refuseUnexplained(
    by,
    touched.map(({ environment }) => environment),
  );
  const [logged] = await tx.query<{ id: string; at: string }[]>(
    `INSERT INTO change (at, action, project_id, project_key, subject_type, subject_key, environment_key, environments,
                         actor, request_id, comment, before, after, reverts)
     SELECT greatest(clock_timestamp(), max(changed_at) + interval '1 microsecond'), $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14
     FROM environment WHERE id = ANY ($1::int[])
     RETURNING id, at::text AS at`,
    [
      touched.map(({ environment }) => environment.id),
      record.action,
      record.project?.id ?? null,
      record.project?.key ?? null,
      record.subject.type,
      record.subject.key,
      record.environment ?? null,
      JSON.stringify(
        touched.map(({ environment }) => ({ key: environment.key, version: environment.snapshotVersion + 1 })),
      ),
      JSON.stringify({ id: by.id, name: by.name, kind: by.kind }),
      by.requestId ?? null,
      by.comment ?? null,
      json(record.before),
      json(record.after),
      record.reverts ?? null,
    ],
  );
  if (logged === undefined) throw new Error('The change log returned no row.');
  if (record.undo !== undefined)
    await tx.query(`INSERT INTO change_undo (change_id, content) VALUES ($1, $2)`, [logged.id, json(record.undo)]);
  if (touched.length > 0) await raiseVersions(tx, logged, touched);
  return logged.id;
}

async function raiseVersions(tx: Tx, logged: { id: string; at: string }, touched: readonly Touched[]): Promise<void> {
  const next = touched.map(({ environment, patch }) => {
    const version = environment.snapshotVersion + 1;
    return {
      id: environment.id,
      version,
      revision: newRevision(version),
      patch,
      flags: [...Object.keys(patch.flags ?? {}), ...(patch.removed?.flags ?? [])],
      cohorts: [...Object.keys(patch.cohorts ?? {}), ...(patch.removed?.cohorts ?? [])],
    };
  });
  await tx.query(
    `WITH next AS (
       SELECT * FROM jsonb_to_recordset($1::jsonb)
         AS rows (id int, version int, revision text, patch jsonb, flags jsonb, cohorts jsonb)),
     raised AS (
       UPDATE environment SET snapshot_version = next.version, revision = next.revision, changed_at = $3
       FROM next WHERE environment.id = next.id)
     INSERT INTO environment_change (environment_id, version, revision, at, change_id, patch, flags, cohorts)
     SELECT id, version, revision, $3, $2, patch,
            ARRAY(SELECT jsonb_array_elements_text(flags)), ARRAY(SELECT jsonb_array_elements_text(cohorts))
     FROM next`,
    [JSON.stringify(next), logged.id, logged.at],
  );
  await tx.query(`SELECT pg_notify($1, hint) FROM unnest($2::text[]) AS hint`, [
    CHANNEL,
    next.map(({ id, version }) => `${id} ${version}`),
  ]);
  for (const { environment } of touched) environment.snapshotVersion += 1;
}

const json = (value: unknown): string | null => (value === undefined || value === null ? null : JSON.stringify(value));
