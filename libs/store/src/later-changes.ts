import type { ChangeRow } from './entities/change.entity.js';
import type { Targeting } from './entities/targeting.entity.js';
import { changesOnlyMarks } from './rollouts/rule.js';
import type { Tx } from './transaction.js';
import { isOfManyFlags, standing } from './undo.js';

/** A change that is in the way of undoing an earlier one, as a refusal names it. */
export type LaterChange = {
  readonly id: string;
  readonly at: string;
  readonly action: string;
  readonly subject: { readonly type: string; readonly key: string };
  readonly environment: string | null;
  readonly by: string;
};

type Row = Omit<LaterChange, 'subject' | 'at'> & {
  at: Date;
  type: string;
  key: string;
  reverts: string | null;
  marked: [Targeting, Targeting] | null;
};

const MOST = 20;

/** What a rollout decided without touching a document, what a webhook sent or signs with, and tokens and webhooks that are gone, are in nobody's way. */
const IN_FORCE = `subject_type <> 'rollout' AND (subject_type <> 'token' OR EXISTS (
  SELECT 1 FROM token WHERE token.id::text = subject_key AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())))
  AND (subject_type <> 'webhook' OR action NOT IN ('webhook.sent', 'webhook.rotated') AND EXISTS (
  SELECT 1 FROM webhook WHERE webhook.project_id = change.project_id AND webhook.key = subject_key AND webhook.created_at <= change.at))`;

/** The changes after this one that are still in force and have to do with its subject or with what its document names; the oldest first. */
export async function laterChanges(tx: Tx, change: ChangeRow): Promise<LaterChange[]> {
  const { where, parameters } = relation(change);
  const rows = await tx.query<Row[]>(
    `SELECT id, at, action, subject_type AS type, subject_key AS key, environment_key AS environment, actor ->> 'name' AS by, reverts,
            CASE WHEN action LIKE 'rollout.%' THEN jsonb_build_array(before, after) END AS marked
     FROM change WHERE project_id IS NOT DISTINCT FROM $1 AND id > $2 AND (${where}) AND ${IN_FORCE} ORDER BY id DESC LIMIT 1000`,
    [change.projectId, change.id, ...parameters],
  );
  const edits = rows.filter(({ marked }) => marked === null || !changesOnlyMarks(...marked));
  return standing(change.id, edits)
    .toReversed()
    .slice(0, MOST)
    .map(({ id, at, action, type, key, environment, by }) => ({
      id,
      at: at.toISOString(),
      action,
      subject: { type, key },
      environment,
      by,
    }));
}

export const summaryOf = (changes: readonly LaterChange[]): string =>
  changes.length === 0
    ? ''
    : ` Later: ${changes.map(({ id, action, subject }) => `${id} (${action} ${subject.key})`).join(', ')}.`;

function relation(change: ChangeRow): { where: string; parameters: unknown[] } {
  const { subjectType, subjectKey, environmentKey, before } = change;
  if (subjectType === 'project') return { where: 'true', parameters: [] };
  if (subjectType === 'environment' && !isOfManyFlags(change.action)) {
    return {
      where: `environment_key = $3 OR subject_type = 'token' AND after -> 'environments' ? $3`,
      parameters: [subjectKey],
    };
  }
  const kin = KIN.find((types) => types.includes(subjectType)) ?? [subjectType];
  const flags = kin.includes('flag') ? [subjectKey] : [];
  return {
    where: `(subject_type = ANY ($3) AND subject_key = $4 OR subject_key = ANY ($5) OR before -> 'flags' ?| $6)
            AND ($7::text IS NULL OR environment_key IS NULL OR environment_key = $7)`,
    parameters: [kin, subjectKey, namedIn(before), [...flags, ...namedIn(before)], environmentKey],
  };
}

/** Subjects that are one thing to people. A flag and a cohort may have the same key and nothing to do with each other. */
const KIN: readonly (readonly string[])[] = [
  ['flag', 'targeting'],
  ['cohort', 'members'],
];

/** The flags and cohorts that a document names, wherever in it. */
function namedIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  if (Array.isArray(value)) return value.flatMap(namedIn);
  return Object.entries(value).flatMap(([name, member]: [string, unknown]) => {
    if (name === 'cohorts' && Array.isArray(member)) return member.filter((key) => typeof key === 'string');
    if (name === 'flag' && typeof member === 'string') return [member];
    return name === 'flags' && typeof member === 'object' && member !== null
      ? [...Object.keys(member), ...namedIn(member)]
      : namedIn(member);
  });
}
