import type { Problem } from '@fledge/evaluation';
import { In, type DataSource } from 'typeorm';
import type { Actor } from '../actor.js';
import { appendChange } from '../change-log.js';
import { RolloutRow, type RolloutState } from '../entities/rollout.entity.js';
import { isViolated, refuseProblems } from '../errors.js';
import { DEFAULT_LIMITS, type Limits } from '../limits.js';
import { findEnvironment, findProject, refuseStale, type Expected } from '../locate.js';
import { slice, toPage, type Page, type PageQuery } from '../page.js';
import { locate } from '../targeting-change.js';
import { seenOf } from '../telemetry/instances.js';
import { insertRow, read, readConsistently, TryAgain, write, type Tx } from '../transaction.js';
import { refuseIllegal } from './commands.js';
import { rolloutDocument, rolloutRecord, type RolloutDocument } from './document.js';
import { outlookOf, type Outlook } from './forecast.js';
import { findRollout, placeOfRollout, showRollout, type EnvironmentRef, type RolloutRef } from './find.js';
import { findLiveRollout, lockLiveRollout, queueUp, rolloutLive } from './live.js';
import { planFor } from './rollout-plans.js';
import { withoutRule } from './rule.js';
import { judgeStart, newRollout, refuseJudged, type RolloutRequest, type StartJudgement } from './start.js';
import { clock, columnsOf, recordEvent, takeStep } from './step.js';
import { cancelStep, startStep } from './steps.js';

export type RolloutQuery = PageQuery & {
  readonly flag?: string | undefined;
  readonly state?: RolloutState | undefined;
};

/** The rollout that a start made, or the one that had been made with its external key before. */
export type StartedRollout = { readonly rollout: RolloutDocument; readonly created: boolean };

/** What a start would do. */
export type StartPreview = Omit<StartJudgement, 'refusal'> & {
  readonly refusal: { readonly code: string; readonly detail: string } | null;
  readonly forecast: Outlook['forecast'];
  readonly rollout: RolloutDocument;
};

const SORTS = {
  createdAt: { expression: 'rollout.created_at', type: 'timestamptz' },
  updatedAt: { expression: 'rollout.updated_at', type: 'timestamptz' },
} as const;

/** Canary rollouts: how they begin, and where they stand. What is asked of one that lives is `RolloutSteering`'s. */
export class RolloutStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly limits: Limits = DEFAULT_LIMITS,
  ) {}

  /** The newest first, unless sorted otherwise. */
  async list({ project, environment }: EnvironmentRef, query: RolloutQuery): Promise<Page<RolloutDocument>> {
    const part = slice(query, SORTS, '-createdAt', { expression: 'rollout.id', type: 'uuid' }, 5);
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      const place = await findEnvironment(this.dataSource.manager, owner, environment);
      const found = await this.dataSource.query<{ id: string; flag: string; cursorValue: string }[]>(
        `SELECT rollout.id, flag.key AS flag, ${part.cursorValue} AS "cursorValue"
         FROM rollout JOIN flag ON flag.id = rollout.flag_id
         WHERE rollout.environment_id = $1 AND ($2::text IS NULL OR flag.key = $2) AND ($3::text IS NULL OR rollout.state = $3)
           AND ${part.where}
         ORDER BY ${part.orderBy} LIMIT $4`,
        [place.id, query.flag ?? null, query.state ?? null, query.limit + 1, ...part.parameters],
      );
      const { items, nextCursor } = toPage(found, query.limit, part.sort, ({ id, flag }) => ({ id, flag }));
      const rows = await this.dataSource.manager.findBy(RolloutRow, { id: In(items.map(({ id }) => id)) });
      const byId = new Map(rows.map((row) => [row.id, row]));
      return {
        nextCursor,
        items: items.flatMap(({ id, flag }) => {
          const row = byId.get(id);
          return row === undefined ? [] : [rolloutDocument(row, { owner, environment: place, flag: { key: flag } })];
        }),
      };
    });
  }

  async get(ref: RolloutRef): Promise<RolloutDocument> {
    return readConsistently(this.dataSource, async (tx) => showRollout(tx, await findRollout(tx, ref)));
  }

  /**
   * Starts a rollout, or makes it wait for its date. An external key that is used already answers the rollout that has it.
   * @throws DomainError `rollout_live`, `moves_others`, `rollback_moves`, `shared_salt`, `flag_disabled`, `archived`, `invalid`
   */
  async start(by: Actor, ref: EnvironmentRef, request: RolloutRequest, plan: unknown): Promise<StartedRollout> {
    return write(this.dataSource, by, async (tx) => {
      const known = await this.#known(tx, ref, request.externalKey);
      if (known !== undefined) return { rollout: await showRollout(tx, known), created: false };
      return { rollout: await this.#start(tx, by, ref, request, plan, null), created: true };
    });
  }

  /** What `start` would do and why it would be refused. Saves nothing. */
  async preview(by: Actor, ref: EnvironmentRef, request: RolloutRequest, asked: unknown): Promise<StartPreview> {
    return readConsistently(this.dataSource, async (tx) => {
      const place = await locate(tx, { ...ref, flag: request.flag });
      const { key, plan, warnings } = await planFor(tx, place.owner, asked);
      const row = newRollout(by, place, request, plan, key, null, await clock(tx));
      const outlook = await outlookOf(tx, row);
      const live = await findLiveRollout(tx, place);
      const before = live === undefined ? place.row.document : withoutRule(place.row.document, live.ruleId);
      const { refusal, ...judged } = await judgeStart(tx, place, row, this.limits, before);
      const refused = live !== undefined && request.supersede !== true ? rolloutLive(live) : refusal;
      return {
        ...judged,
        warnings: [...judged.warnings, ...warnings, ...outlook.warnings],
        forecast: outlook.forecast,
        refusal: refused === undefined ? null : { code: refused.code, detail: refused.message },
        rollout: rolloutDocument(row, place),
      };
    });
  }

  /** A new rollout with the plan, audience and draw of one that is over. */
  async retry(
    by: Actor,
    ref: RolloutRef,
    { reshuffle, enable }: { readonly reshuffle?: boolean | undefined; readonly enable?: boolean | undefined },
    expected?: Expected,
  ): Promise<RolloutDocument> {
    return write(this.dataSource, by, async (tx) => {
      const old = await findRollout(tx, ref, true);
      refuseStale(old.version, expected);
      refuseIllegal(old, 'retry');
      const { flag } = await placeOfRollout(tx, old);
      const { canary, baseline, audience, position, bucketBy, salt, options } = old;
      const request: RolloutRequest = {
        flag: flag.key,
        canary,
        baseline,
        audience,
        position,
        bucketBy,
        salt,
        reshuffle,
        enable,
        acceptMoves: options.acceptMoves,
        sharedSalt: options.sharedSalt,
      };
      return this.#start(tx, by, ref, request, old.plan, old);
    });
  }

  async #known(tx: Tx, ref: EnvironmentRef, externalKey: string | undefined): Promise<RolloutRow | undefined> {
    if (externalKey === undefined) return undefined;
    const environment = await findEnvironment(tx, await findProject(tx, ref.project), ref.environment);
    return (await tx.findOneBy(RolloutRow, { environmentId: environment.id, externalKey })) ?? undefined;
  }

  async #start(
    tx: Tx,
    by: Actor,
    ref: EnvironmentRef,
    request: RolloutRequest,
    asked: unknown,
    old: RolloutRow | null,
  ): Promise<RolloutDocument> {
    const found = await locate(tx, { ...ref, flag: request.flag });
    await queueUp(tx, found);
    const live = await lockLiveRollout(tx, found);
    if (live !== undefined && live.externalKey !== null && live.externalKey === request.externalKey)
      throw new TryAgain('Another start with this external key was quicker.');
    if (live !== undefined && request.supersede !== true) throw rolloutLive(live);
    const { key, plan, warnings: ofThePlan } = await planFor(tx, found.owner, old === null ? asked : old.plan);
    const row = newRollout(
      by,
      found,
      request,
      plan,
      old === null ? key : old.planKey,
      old?.id ?? null,
      await clock(tx),
    );
    if (live !== undefined) await this.#supersede(tx, by, live, row);
    await insertRollout(tx, row);
    const place = await locate(tx, { ...ref, flag: request.flag }, true);
    const judged = await judgeStart(tx, place, row, this.limits);
    const outlook = await outlookOf(tx, row);
    const warnings: readonly Problem[] = [...judged.warnings, ...ofThePlan, ...outlook.warnings];
    const { forecast } = outlook;
    const reason = old === null ? 'requested' : 'retry';
    if (row.startAt !== null) {
      // A date's guards are looked at again when it comes; what can never be right is refused now.
      refuseProblems(judged.problems);
      await recordEvent(tx, by, row, { event: 'scheduled', reason }, row.createdAt);
      await appendChange(tx, by, {
        action: 'rollout.scheduled',
        project: place.owner,
        subject: { type: 'rollout', key: row.id },
        environment: place.environment.key,
        before: null,
        after: rolloutRecord(row, place),
      });
      return { ...rolloutDocument(row, place), forecast, warnings };
    }
    refuseJudged(judged);
    const step = startStep(row, { event: 'started', reason }, row.options.enable === true);
    const stepped = await takeStep(tx, by, place, row, step, this.limits);
    return { ...rolloutDocument(stepped.rollout, place), seen: await seenOf(tx, stepped.rollout), forecast, warnings };
  }

  async #supersede(tx: Tx, by: Actor, live: RolloutRow, next: RolloutRow): Promise<void> {
    const place = await placeOfRollout(tx, live, true);
    const why = { event: 'cancelled', reason: 'superseded', detail: `Superseded by the rollout ${next.id}.` } as const;
    await takeStep(tx, by, place, live, cancelStep(live, 'baseline', why, 'superseded'), this.limits);
  }
}

/** Takes the place of the flag in its environment. @throws TryAgain when another start was quicker */
async function insertRollout(tx: Tx, row: RolloutRow): Promise<void> {
  try {
    await insertRow(tx, RolloutRow, { id: row.id, ...columnsOf(row) });
  } catch (error) {
    if (isViolated(error, ['rollout_live', 'rollout_external_key']))
      throw new TryAgain('Another rollout has been started meanwhile.');
    throw error;
  }
}
