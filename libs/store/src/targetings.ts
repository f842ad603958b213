import { isDeepStrictEqual } from 'node:util';
import { validateFlag, type Flag, type FlagType, type Validation } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { appendChange } from './change-log.js';
import { joinFlag, targetingDocument, type TargetingDocument } from './documents.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import type { StoredPatch } from './entities/environment-change.entity.js';
import type { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { DomainError, notFound, refuseProblems } from './errors.js';
import type { FlagQuery } from './flags.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { findEnvironment, findFlag, findProject, refuseStale, type Expected } from './locate.js';
import { patternsOf, type PatternCheck } from './pattern-check.js';
import { containing, slice, toPage, type Page } from './page.js';
import { withPercentage, type Percentage } from './percentage.js';
import { reachedCohorts, reachPatch } from './reach.js';
import { derivedOf, surroundingsOf, type Surroundings } from './surroundings.js';
import type { Cause } from './scope.js';
import { undone } from './undo.js';
import { read, readConsistently, write, type Tx, updateRow } from './transaction.js';

/** Which flag, and where. */
export type TargetingRef = { readonly project: string; readonly environment: string; readonly flag: string };

/** A flag with its state in one environment, as a list shows it. */
export type FlagState = TargetingDocument & {
  readonly name: string;
  readonly type: FlagType;
  readonly tags: readonly string[];
  readonly variants: FlagRow['variants'];
};

/** What saving a targeting document would say and do. */
export type TargetingPreview = Validation & {
  readonly before: Flag;
  readonly after: Flag;
  /** The flags and cohorts that either reaches, cohorts without their members. */
  readonly snapshot: Surroundings;
};

type Edit = (current: Targeting, flag: FlagRow, tx: Tx, owner: ProjectRow) => Targeting | Promise<Targeting>;

const SORTS = {
  key: { expression: 'flag.key', type: 'text' },
  name: { expression: 'flag.name', type: 'text' },
  updatedAt: { expression: 'targeting.updated_at', type: 'timestamptz' },
} as const;

/** What environments say about flags. Every write is `change`: lock, check the version, edit, validate, save, log, notify. */
export class TargetingStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limits: Limits = DEFAULT_LIMITS,
    private readonly patterns?: PatternCheck,
  ) {}

  async list(project: string, environment: string, query: FlagQuery): Promise<Page<FlagState>> {
    const part = slice(query, SORTS, 'key', { expression: 'flag.id', type: 'bigint' }, 6);
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      const place = await findEnvironment(this.dataSource.manager, owner, environment);
      const rows = await this.dataSource.query<(FlagRow & { document: Targeting; cursorValue: string })[]>(
        `SELECT flag.id, flag.key, flag.name, flag.type, flag.tags, flag.variants, targeting.document, targeting.version,
                targeting.updated_at AS "updatedAt", ${part.cursorValue} AS "cursorValue"
         FROM targeting JOIN flag ON flag.id = targeting.flag_id
         WHERE targeting.environment_id = $1
           AND ($2::text IS NULL OR flag.key ILIKE $2 OR flag.name ILIKE $2 OR flag.description ILIKE $2)
           AND ($3::text IS NULL OR flag.tags @> ARRAY[$3]) AND (flag.archived_at IS NOT NULL) = $4 AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $5`,
        [
          place.id,
          query.q === undefined ? null : containing(query.q),
          query.tag ?? null,
          query.archived ?? false,
          query.limit + 1,
          ...part.parameters,
        ],
      );
      return toPage(rows, query.limit, part.sort, (row) => ({
        ...targetingDocument(row.key, place.key, row.document, row.version, row.updatedAt),
        name: row.name,
        type: row.type,
        tags: row.tags,
        variants: row.variants,
      }));
    });
  }

  async get(ref: TargetingRef): Promise<TargetingDocument> {
    return read(async () => {
      const { flag, environment, row } = await locate(this.dataSource.manager, ref);
      return targetingDocument(flag.key, environment.key, row.document, row.version, row.updatedAt);
    });
  }

  /** Replaces the whole document. @throws DomainError `version_stale`, `invalid`, `archived` */
  async replace(by: Actor, ref: TargetingRef, targeting: Targeting, expected: Expected): Promise<TargetingDocument> {
    const unsafe = await this.patterns?.problems(patternsOf(targeting.rules));
    return this.#change(by, ref, 'targeting.updated', expected, () => targeting, unsafe);
  }

  /**
   * What `replace` would find wrong, and the flag before and after, to be compared. Nothing is locked and nothing saved; problems
   * are answered and not thrown, whatever the document holds.
   */
  async preview(ref: TargetingRef, targeting: Targeting): Promise<TargetingPreview> {
    const unsafe = await this.patterns?.problems(patternsOf(targeting.rules));
    return readConsistently(this.dataSource, async (tx) => {
      const { environment, flag, row } = await locate(tx, ref);
      const before = joinFlag(flag, row.document);
      const after = joinFlag(flag, targeting);
      const { problems, warnings, surroundings } = await this.#judge(
        tx,
        environment,
        flag,
        row.document,
        targeting,
        unsafe,
      );
      const earlier = await surroundingsOf(tx, flag.projectId, environment.id, before);
      const snapshot = {
        flags: { ...earlier.flags, ...surroundings.flags },
        cohorts: { ...earlier.cohorts, ...surroundings.cohorts },
      };
      const archived =
        flag.archivedAt === null ? [] : [{ pointer: '', code: 'archived', message: archivedMessage(flag) }];
      return { before, after, snapshot, problems: [...archived, ...problems], warnings };
    });
  }

  /** The switch. Turning off always works, whatever else is wrong with the document. */
  async setEnabled(by: Actor, ref: TargetingRef, enabled: boolean, expected?: Expected): Promise<TargetingDocument> {
    const action = enabled ? 'targeting.enabled' : 'targeting.disabled';
    return this.#change(by, ref, action, expected, (current) => ({ ...current, enabled }));
  }

  /** The headline in one call: this share of units gets the variant, everybody else the off variant. */
  async setPercentage(
    by: Actor,
    ref: TargetingRef,
    wanted: Percentage,
    expected?: Expected,
  ): Promise<TargetingDocument> {
    return this.#change(by, ref, 'targeting.percentage', expected, (current, flag) =>
      withPercentage(current, flag, wanted),
    );
  }

  /** Takes over rules, prerequisites, off variant and fallthrough from another environment; `enabled` stays as it is here. */
  async copy(by: Actor, ref: TargetingRef, from: string, expected?: Expected): Promise<TargetingDocument> {
    return this.#change(by, ref, 'targeting.copied', expected, async (current, flag, tx, owner) => {
      const source = await findEnvironment(tx, owner, from);
      const row = await tx.findOne(TargetingRow, { where: { flagId: flag.id, environmentId: source.id } });
      if (row === null) throw notFound('flag', flag.key);
      return { ...row.document, enabled: current.enabled };
    });
  }

  async #change(
    by: Actor,
    ref: TargetingRef,
    action: string,
    expected: Expected,
    edit: Edit,
    unsafe?: ReadonlyMap<string, string>,
  ): Promise<TargetingDocument> {
    return write(this.dataSource, by, (tx) => this.#changeIn(tx, by, ref, { action, expected }, edit, unsafe));
  }

  /** Takes back what a change did to a document, in the transaction of whoever undoes it. @throws DomainError `revert_conflict` */
  undo(
    tx: Tx,
    by: Actor,
    ref: TargetingRef,
    { before, after }: { readonly before: Targeting; readonly after: Targeting },
    { reverts }: Cause,
  ): Promise<TargetingDocument> {
    return this.#changeIn(tx, by, ref, { action: 'targeting.updated', reverts }, (current) =>
      undone(before, after, current),
    );
  }

  async #changeIn(
    tx: Tx,
    by: Actor,
    ref: TargetingRef,
    { action, expected, reverts }: Cause & { readonly action: string; readonly expected?: Expected },
    edit: Edit,
    unsafe?: ReadonlyMap<string, string>,
  ): Promise<TargetingDocument> {
    const { owner, environment, flag, row } = await locate(tx, ref, true);
    refuseStale(row.version, expected);
    if (flag.archivedAt !== null) {
      throw new DomainError('archived', archivedMessage(flag));
    }
    const before = row.document;
    const after = await edit(before, flag, tx, owner);
    const { problems, warnings } = await this.#judge(tx, environment, flag, before, after, unsafe);
    refuseProblems(problems);
    const current = targetingDocument(flag.key, environment.key, before, row.version, row.updatedAt);
    if (isDeepStrictEqual(before, after)) return { ...current, warnings };
    const version = environment.snapshotVersion + 1;
    const updatedAt = new Date();
    const patch = await saveTargeting(tx, owner, environment, flag, row, { document: after, version, updatedAt });
    const document = targetingDocument(flag.key, environment.key, after, version, updatedAt);
    await appendChange(
      tx,
      by,
      {
        action,
        project: owner,
        subject: { type: 'targeting', key: flag.key },
        environment: environment.key,
        before: current,
        after: document,
        reverts,
      },
      [{ environment, patch }],
    );
    return { ...document, warnings };
  }

  /** Whatever else is wrong, turning a flag off is never a problem. */
  async #judge(
    tx: Tx,
    environment: EnvironmentRow,
    flag: FlagRow,
    before: Targeting,
    after: Targeting,
    unsafe: ReadonlyMap<string, string> = new Map(),
  ): Promise<Validation & { readonly surroundings: Surroundings }> {
    const onlyOff = isDeepStrictEqual({ ...before, enabled: false }, after);
    const joined = joinFlag(flag, after);
    const surroundings = await surroundingsOf(tx, flag.projectId, environment.id, joined);
    const { problems, warnings } = validateFlag(joined, surroundings, this.limits, (pattern) => unsafe.get(pattern));
    return { problems: onlyOff ? [] : problems, warnings, surroundings };
  }
}

const archivedMessage = (flag: FlagRow): string =>
  `The flag "${flag.key}" is archived; restore it before changing its targeting.`;

type Located = { owner: ProjectRow; environment: EnvironmentRow; flag: FlagRow; row: TargetingRow };

async function locate(tx: Tx, ref: TargetingRef, lock = false): Promise<Located> {
  const owner = await findProject(tx, ref.project);
  const environment = await findEnvironment(tx, owner, ref.environment, lock);
  const flag = await findFlag(tx, owner, ref.flag);
  const row = await tx.findOne(TargetingRow, { where: { flagId: flag.id, environmentId: environment.id } });
  if (row === null) throw notFound('flag', ref.flag);
  return { owner, environment, flag, row };
}

/** Saves the document and answers what SDKs will see: the flag, and cohorts that came into reach or fell out of it. */
async function saveTargeting(
  tx: Tx,
  owner: ProjectRow,
  environment: EnvironmentRow,
  flag: FlagRow,
  row: TargetingRow,
  next: { document: Targeting; version: number; updatedAt: Date },
): Promise<StoredPatch> {
  const derived = derivedOf(next.document);
  const sameCohorts = isDeepStrictEqual(row.cohorts, derived.cohorts);
  const before = sameCohorts ? undefined : await reachedCohorts(tx, owner.id, environment.id);
  await updateRow(tx, TargetingRow, { flagId: flag.id, environmentId: environment.id }, { ...next, ...derived });
  const flags = { [flag.key]: joinFlag(flag, next.document) };
  if (before === undefined) return { flags };
  return { flags, ...reachPatch(before, await reachedCohorts(tx, owner.id, environment.id)) };
}
