import { randomBytes, randomUUID } from 'node:crypto';
import { whoMoves, type Condition, type Problem, type WhoMoves } from '@fledge/evaluation';
import type { Plan } from '@fledge/canary';
import type { Actor } from '../actor.js';
import { actorName } from '../actor.js';
import { joinFlag } from '../documents.js';
import { RolloutRow, type RolloutPosition } from '../entities/rollout.entity.js';
import type { Targeting } from '../entities/targeting.entity.js';
import { DomainError, refuseProblems } from '../errors.js';
import type { Limits } from '../limits.js';
import { surroundingsOf } from '../surroundings.js';
import { judgeTargeting, type Located } from '../targeting-change.js';
import type { Tx } from '../transaction.js';
import { LIVE_STATES } from './live.js';
import { movesOthers, rollbackMoves, SAMPLE } from './moves.js';
import { baselineOf, ownRule, withoutRule, withRule } from './rule.js';
import type { Moment } from './step.js';
import { percentageOf, startStep } from './steps.js';

/** What a start asks for, beside its plan. */
export type RolloutRequest = {
  readonly flag: string;
  readonly canary: string;
  readonly baseline?: string | undefined;
  readonly audience?: readonly Condition[] | undefined;
  readonly position?: RolloutPosition | undefined;
  readonly bucketBy?: string | undefined;
  readonly salt?: string | undefined;
  /** A new draw instead of the flag's usual one. */
  readonly reshuffle?: boolean | undefined;
  readonly externalKey?: string | undefined;
  readonly startAt?: string | undefined;
  readonly enable?: boolean | undefined;
  readonly supersede?: boolean | undefined;
  readonly acceptMoves?: boolean | undefined;
  readonly sharedSalt?: boolean | undefined;
};

/** A salt that nobody has drawn with. */
export const newSalt = (flag: string): string => `${flag}:${randomBytes(6).toString('base64url')}`;

/** The row of a new rollout, before anything happened to it. @throws DomainError `invalid` */
export function newRollout(
  by: Actor,
  place: Located,
  request: RolloutRequest,
  plan: Plan,
  planKey: string | null,
  retryOf: string | null,
  now: Date,
): RolloutRow {
  const { flag } = place;
  const baseline = request.baseline ?? baselineOf(place.row.document);
  refuseProblems(variantProblems(flag.variants, request.canary, baseline));
  const id = randomUUID();
  return {
    id,
    projectId: flag.projectId,
    environmentId: place.environment.id,
    flagId: flag.id,
    externalKey: request.externalKey ?? null,
    state: 'scheduled',
    phase: null,
    stage: 0,
    percentage: 0,
    canary: request.canary,
    baseline: baseline ?? '',
    audience: request.audience ?? [],
    bucketBy: request.bucketBy ?? 'targetingKey',
    salt: request.reshuffle === true ? newSalt(flag.key) : (request.salt ?? flag.key),
    position: request.position ?? 'last',
    ruleId: `rollout-${id}`,
    planKey,
    plan,
    options: {
      // What waits for its date turns on only what was off when it was asked for: whoever turns it off meanwhile means it.
      enable: request.enable === true && (request.startAt === undefined || !place.row.document.enabled),
      acceptMoves: request.acceptMoves === true,
      sharedSalt: request.sharedSalt === true,
    },
    epoch: null,
    reasons: [],
    detail: null,
    bakedMs: 0,
    overridden: [],
    evidence: null,
    approvals: [],
    verdicts: {},
    gates: {},
    gateDueAt: null,
    gateLease: null,
    startAt: request.startAt === undefined ? null : new Date(request.startAt),
    startedAt: null,
    endedAt: null,
    lastTickAt: null,
    nextCheckAt: request.startAt === undefined ? null : new Date(request.startAt),
    watchUntil: null,
    failures: 0,
    startedBy: actorName(by),
    retryOf,
    version: 1,
    createdAt: now,
    updatedAt: now,
  };
}

function variantProblems(variants: object, canary: string, baseline: string | undefined): Problem[] {
  const known = Object.keys(variants).join(', ');
  const unknown = (pointer: string, variant: string): Problem[] =>
    Object.hasOwn(variants, variant)
      ? []
      : [
          {
            pointer,
            code: 'unknown_variant',
            message: `Expected a variant of this flag (${known}); got "${variant}".`,
          },
        ];
  if (baseline === undefined) {
    const message = `Expected one of ${known}: the audience does not get one variant today.`;
    return [...unknown('/canary', canary), { pointer: '/baseline', code: 'missing', message }];
  }
  const same = canary === baseline;
  return [
    ...unknown('/canary', canary),
    ...unknown('/baseline', baseline),
    ...(same
      ? [{ pointer: '/canary', code: 'same_variant', message: 'Expected another variant than the baseline.' }]
      : []),
  ];
}

/** What a start would do, and why it would be refused. */
export type StartJudgement = {
  readonly problems: readonly Problem[];
  readonly warnings: readonly Problem[];
  readonly refusal: DomainError | undefined;
  readonly whoMoves: WhoMoves | null;
};

/**
 * Judges a start against the flag as it stands: `before` is its targeting without what the start replaces. Nobody may go elsewhere
 * than from baseline to canary, and taking the rule away must lead the whole audience back to the baseline.
 */
export async function judgeStart(
  tx: Tx,
  place: Located,
  rollout: RolloutRow,
  limits: Limits,
  before: Targeting = place.row.document,
): Promise<StartJudgement> {
  const { options } = rollout;
  const early = refuseState(place, rollout, before);
  const idle = targetingOf(rollout, before, 0);
  const { problems, warnings } = await judgeTargeting(tx, place, idle, limits);
  const own = [
    ...positionProblems(rollout, before),
    ...problems.map((problem) => ofTheRequest(problem, rollout, idle)),
  ];
  if (own.length > 0 || early !== undefined) return { problems: own, warnings, refusal: early, whoMoves: null };
  const joined = (targeting: Targeting) => joinFlag(place.flag, targeting);
  const surroundings = await surroundingsOf(tx, place.flag.projectId, place.environment.id, joined(idle));
  const after = joined(targetingOf(rollout, before, percentageOf(rollout, 0)));
  const moves = whoMoves(joined(before), after, surroundings, SAMPLE);
  const refusal =
    (await saltRefusal(tx, place, rollout)) ??
    (movesOthers(moves, rollout) && options.acceptMoves !== true ? movesRefusal(moves) : undefined) ??
    rollbackRefusal(rollbackMoves(joined(idle), joined(withoutRule(idle, rollout.ruleId)), surroundings));
  const required = Object.keys(surroundings.flags).filter((key) => key !== place.flag.key);
  const live = await liveAmong(tx, place, required);
  return { problems: [], warnings: [...warnings, ...live.map(prerequisiteLive)], refusal, whoMoves: moves };
}

/** Those of the flags of which a rollout is live here. */
async function liveAmong(tx: Tx, { environment }: Located, flags: readonly string[]): Promise<string[]> {
  if (flags.length === 0) return [];
  const rows = await tx.query<{ key: string }[]>(
    `SELECT flag.key FROM rollout JOIN flag ON flag.id = rollout.flag_id
     WHERE rollout.environment_id = $1 AND flag.key = ANY ($2) AND rollout.state = ANY ($3) ORDER BY flag.key`,
    [environment.id, flags, LIVE_STATES],
  );
  return rows.map(({ key }) => key);
}

const prerequisiteLive = (key: string): Problem => ({
  pointer: '/flag',
  code: 'prerequisite_live',
  message: `A rollout of the prerequisite "${key}" is live: while that one takes units away, this one holds for want of data.`,
});

/** @throws DomainError for whatever the judgement holds against the start */
export function refuseJudged({ problems, refusal }: StartJudgement): void {
  refuseProblems(problems);
  if (refusal !== undefined) throw refusal;
}

function refuseState({ flag }: Located, { options }: RolloutRow, before: Targeting): DomainError | undefined {
  if (flag.archivedAt !== null)
    return new DomainError('archived', `The flag "${flag.key}" is archived; restore it before starting a rollout.`);
  if (!before.enabled && options.enable !== true)
    return new DomainError(
      'flag_disabled',
      `The flag "${flag.key}" is disabled here; enable it, or send "enable": true to enable it with the rollout.`,
    );
  return undefined;
}

/** The targeting that the start would write. */
function targetingOf(rollout: RolloutRow, before: Targeting, percentage: number): Targeting {
  const at: Moment = { now: rollout.createdAt, epoch: 0 };
  const written =
    startStep(rollout, { event: 'started' }, rollout.options.enable === true).targeting?.(before, at) ?? before;
  return withRule(written, ownRule(rollout, percentage, undefined), rollout.position);
}

function positionProblems({ position }: RolloutRow, before: Targeting): Problem[] {
  if (typeof position === 'string' || before.rules.some(({ id }) => id === position.before)) return [];
  const message = `Expected the id of a rule of this flag; got "${position.before}".`;
  return [{ pointer: '/position/before', code: 'unknown_rule', message }];
}

/** A problem of the rollout's rule is one of the request, which knows the rule's conditions as its audience. */
function ofTheRequest(problem: Problem, rollout: RolloutRow, written: Targeting): Problem {
  const rule = `/rules/${written.rules.findIndex(({ id }) => id === rollout.ruleId)}`;
  if (!problem.pointer.startsWith(rule)) return problem;
  const inside = problem.pointer.slice(rule.length);
  return { ...problem, pointer: inside.replace(/^\/conditions/, '/audience').replace(/^\/gate/, '') };
}

async function saltRefusal(tx: Tx, place: Located, rollout: RolloutRow): Promise<DomainError | undefined> {
  if (rollout.options.sharedSalt === true) return undefined;
  const rows = await tx.query<{ id: string }[]>(
    `SELECT id FROM rollout WHERE environment_id = $1 AND salt = $2 AND bucket_by = $3 AND flag_id <> $4 AND state = ANY ($5)`,
    [place.environment.id, rollout.salt, rollout.bucketBy, place.flag.id, LIVE_STATES],
  );
  const [other] = rows;
  if (other === undefined) return undefined;
  return new DomainError(
    'shared_salt',
    `The live rollout ${other.id} draws with the salt "${rollout.salt}" too: both would have the same canary users and blame each other. Send "reshuffle": true, another salt, or "sharedSalt": true.`,
    { rollout: other.id },
  );
}

const movesRefusal = (moves: WhoMoves): DomainError =>
  new DomainError(
    'moves_others',
    'The start would move units elsewhere than from baseline to canary; see whoMoves. Choose another position, audience or baseline, or send "acceptMoves": true.',
    { whoMoves: moves },
  );

const rollbackRefusal = (moves: WhoMoves | undefined): DomainError | undefined =>
  moves === undefined
    ? undefined
    : new DomainError(
        'rollback_moves',
        'Without the rollout the flag would not give its whole audience the baseline, so that a rollback would not lead back to it; see whoMoves.',
        { whoMoves: moves },
      );
