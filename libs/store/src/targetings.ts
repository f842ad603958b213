import { isDeepStrictEqual } from 'node:util';
import type { Flag, FlagType, Measure, Problem, Validation } from '@fledge/evaluation';
import type { DataSource } from 'typeorm';
import type { Actor } from './actor.js';
import { joinFlag, targetingDocument, type TargetingDocument } from './documents.js';
import type { FlagRow } from './entities/flag.entity.js';
import type { ProjectRow } from './entities/project.entity.js';
import { TargetingRow, type Targeting } from './entities/targeting.entity.js';
import { DomainError, notFound, refuseProblems } from './errors.js';
import type { FlagQuery } from './flags.js';
import { DEFAULT_LIMITS, type Limits } from './limits.js';
import { findEnvironment, findProject, refuseStale, type Expected } from './locate.js';
import { patternsOf, type PatternCheck } from './pattern-check.js';
import { containing, slice, toPage, type Page } from './page.js';
import { withPercentage, type Percentage } from './percentage.js';
import { killSwitch } from './rollouts/kill-switch.js';
import {
  findLiveRollout,
  isLocking,
  lockedProblem,
  lockLiveRollout,
  queueUp,
  refuseLocked,
  refuseOvertaken,
} from './rollouts/live.js';
import { withMarksKept, withoutMarks } from './rollouts/rule.js';
import type { Cause } from './scope.js';
import { surroundingsOf, type Surroundings } from './surroundings.js';
import { changeTargeting, judgeTargeting, locate, type TargetingRef, type UnsafePatterns } from './targeting-change.js';
import { read, readConsistently, write, type Tx } from './transaction.js';
import { undone } from './undo.js';

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
      const place = await locate(tx, ref);
      const { environment, flag, row } = place;
      const before = joinFlag(flag, row.document);
      const after = joinFlag(flag, targeting);
      const { problems, warnings, surroundings } = await judgeTargeting(tx, place, targeting, this.limits, unsafe);
      const earlier = await surroundingsOf(tx, flag.projectId, environment.id, before);
      const snapshot = {
        flags: { ...earlier.flags, ...surroundings.flags },
        cohorts: { ...earlier.cohorts, ...surroundings.cohorts },
      };
      const archived =
        flag.archivedAt === null ? [] : [{ pointer: '', code: 'archived', message: archivedMessage(flag) }];
      const marks = foreignMarks(row.document, targeting);
      const live = await findLiveRollout(tx, place);
      const isEdit = !isDeepStrictEqual(row.document, targeting) && !onlyTurnsOff(row.document, targeting);
      const locked = isLocking(live) && isEdit ? [lockedProblem(live)] : [];
      return { before, after, snapshot, problems: [...archived, ...locked, ...marks, ...problems], warnings };
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
      return { ...withoutMarks(row.document), enabled: current.enabled };
    });
  }

  async #change(
    by: Actor,
    ref: TargetingRef,
    action: string,
    expected: Expected,
    edit: Edit,
    unsafe?: UnsafePatterns,
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
      // A mark that came or went with its rollout is no edit.
      withMarksKept(current, undone(withoutMarks(before), withoutMarks(after), withoutMarks(current))),
    );
  }

  async #changeIn(
    tx: Tx,
    by: Actor,
    ref: TargetingRef,
    { action, expected, reverts }: Cause & { readonly action: string; readonly expected?: Expected },
    edit: Edit,
    unsafe?: UnsafePatterns,
  ): Promise<TargetingDocument> {
    const found = await locate(tx, ref);
    await queueUp(tx, found);
    const live = await lockLiveRollout(tx, found);
    const place = await locate(tx, ref, true);
    await refuseOvertaken(tx, place, live);
    refuseStale(place.row.version, expected);
    if (place.flag.archivedAt !== null) throw new DomainError('archived', archivedMessage(place.flag));
    const before = place.row.document;
    const after = await edit(before, place.flag, tx, place.owner);
    refuseProblems(foreignMarks(before, after));
    if (live !== undefined && onlyTurnsOff(before, after))
      return killSwitch(tx, by, place, live, this.limits, { reverts });
    refuseLocked(live, isDeepStrictEqual(before, after));
    const cause = { action, reverts };
    const { document, warnings } = await changeTargeting(tx, by, place, cause, after, this.limits, unsafe);
    return { ...document, warnings };
  }
}

/** The kill switch, whichever way it comes. */
const onlyTurnsOff = (before: Targeting, after: Targeting): boolean =>
  before.enabled && isDeepStrictEqual({ ...before, enabled: false }, after);

const archivedMessage = (flag: FlagRow): string =>
  `The flag "${flag.key}" is archived; restore it before changing its targeting.`;

/** Marks are written by rollouts alone: a document may only say what is said already. */
function foreignMarks(before: Targeting, after: Targeting): Problem[] {
  const known = new Map(before.rules.map(({ id, measure }) => [id, measure]));
  const isForeign = (mark: Measure | undefined, own: Measure | undefined): boolean =>
    mark !== undefined && !isDeepStrictEqual(mark, own);
  const message = 'Expected nothing, or what is there already: only a rollout writes its mark.';
  const rules = Array.isArray(after.rules) ? after.rules : [];
  return [
    ...(isForeign(after.measure, before.measure) ? [{ pointer: '/measure', code: 'read_only', message }] : []),
    ...rules.flatMap((rule, index) =>
      isForeign(rule?.measure, known.get(rule?.id))
        ? [{ pointer: `/rules/${index}/measure`, code: 'read_only', message }]
        : [],
    ),
  ];
}
