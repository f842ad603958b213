import type { Runtime } from '@fledge/api';
import { DomainError, type Actor } from '@fledge/store';
import { sql } from './sql.js';

const HINDSIGHT: Actor = { id: 'hindsight', name: 'hindsight', kind: 'service', comment: 'as if nothing had been' };

/** Every document that people and SDKs can see, one a line, without ids, versions and times of writing, which no undoing brings back. */
export async function documentsIn(url: string): Promise<string[]> {
  const rows = await sql<{ line: string }>(
    url,
    `WITH document (kind, place, body) AS (
       SELECT 'project', key, to_jsonb(project) FROM project
       UNION ALL SELECT 'environment', project.key, to_jsonb(environment) - '{snapshot_version,revision,changed_at}'::text[]
         FROM environment JOIN project ON project.id = project_id
       UNION ALL SELECT 'flag', project.key, to_jsonb(flag) FROM flag JOIN project ON project.id = project_id
       UNION ALL SELECT 'targeting', concat_ws(' ', project.key, environment.key, flag.key), to_jsonb(targeting)
         FROM targeting JOIN flag ON flag.id = flag_id JOIN environment ON environment.id = environment_id
         JOIN project ON project.id = flag.project_id
       UNION ALL SELECT 'cohort', project.key, to_jsonb(cohort) FROM cohort JOIN project ON project.id = project_id
       UNION ALL SELECT 'member', concat_ws(' ', project.key, cohort.key), jsonb_build_object('list', list, 'unit', unit)
         FROM cohort_member JOIN cohort ON cohort.id = cohort_id JOIN project ON project.id = project_id WHERE removed_by IS NULL
       UNION ALL SELECT 'webhook', project.key, to_jsonb(webhook) - '{secret,old_secret,old_secret_until,environment_ids}'::text[]
         FROM webhook JOIN project ON project.id = project_id
       UNION ALL SELECT 'plan', project.key, to_jsonb(rollout_plan) FROM rollout_plan JOIN project ON project.id = project_id)
     SELECT concat_ws(' ', kind, place, date_trunc('milliseconds', (body ->> 'created_at')::timestamptz),
                      body - '{id,project_id,environment_id,flag_id,cohort_id,version,created_at,updated_at}'::text[]) AS line
     FROM document ORDER BY line`,
  );
  return rows.map(({ line }) => line);
}

export async function newestChange(url: string): Promise<string> {
  const [row] = await sql<{ id: string }>(url, `SELECT coalesce(max(id), 0)::text AS id FROM change`);
  return row?.id ?? '0';
}

/**
 * Undoes, the newest first, every change after `since`, once the rollouts that still live are cancelled.
 * Answers how many, and what was refused. Left out: what rollouts did without touching a document, what webhooks sent or sign with,
 * and tokens and webhooks that are gone, for good.
 */
export async function undoEverything(
  { stores }: Runtime,
  url: string,
  since: string,
): Promise<{ readonly undone: number; readonly refused: readonly string[] }> {
  for (const rollout of await liveRollouts(url)) await stores.steering.cancel(HINDSIGHT, rollout, 'baseline');
  const changes = await sql<{ id: string; action: string }>(
    url,
    `SELECT id::text AS id, action FROM change
     WHERE id > $1::bigint AND subject_type <> 'rollout' AND (subject_type <> 'token' OR action = 'token.created' AND EXISTS (
       SELECT 1 FROM token WHERE token.id::text = subject_key AND revoked_at IS NULL))
       AND (subject_type <> 'webhook' OR action IN ('webhook.created', 'webhook.updated') AND EXISTS (
       SELECT 1 FROM webhook WHERE webhook.project_id = change.project_id AND webhook.key = subject_key
         AND webhook.created_at <= change.at))
     ORDER BY change.id DESC`,
    [since],
  );
  const refused: string[] = [];
  let undone = 0;
  // Undoings too: one may have undone something that others had built on since.
  for (const { id, action } of changes) {
    try {
      await stores.reverts.revert(HINDSIGHT, id);
      undone += 1;
    } catch (error) {
      // What a rollout said beside the flag alone may be left: marks of what is measured.
      if (!(error instanceof DomainError && error.code === 'not_revertable' && action.startsWith('rollout.')))
        refused.push(`${id} (${action}): ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  return { undone, refused };
}

type Place = { readonly project: string; readonly environment: string; readonly rollout: string };

const liveRollouts = (url: string): Promise<Place[]> =>
  sql<Place>(
    url,
    `SELECT project.key AS project, environment.key AS environment, rollout.id::text AS rollout
     FROM rollout JOIN environment ON environment.id = environment_id JOIN project ON project.id = rollout.project_id
     WHERE state IN ('scheduled', 'running', 'paused')`,
  );
