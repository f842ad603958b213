import { randomUUID } from 'node:crypto';
import type { Measure } from '@fledge/evaluation';
import { sql } from './sql.js';

/** A rollout as far as telemetry is concerned: a row that says which epochs there are, put there without its engine. */
export type PlantedRollout = { readonly id: string; readonly epoch: number; readonly mark: Measure };

type Planted = {
  readonly environment?: string;
  readonly flag?: string;
  readonly epoch?: number;
  readonly earlier?: readonly number[];
  readonly percentage?: number;
  readonly window?: string;
  readonly metrics?: Measure['metrics'];
};

const METRICS: Measure['metrics'] = {
  errors: { count: 'unit_window' },
  latency: { count: 'unit_window', over: 100 },
};

/** Plants a running rollout of a boolean flag, and the marked rule it would have written. */
export async function plantRollout(url: string, planted: Planted = {}): Promise<PlantedRollout> {
  const { environment = 'production', flag = 'checkout', epoch = 5, earlier = [], percentage = 50 } = planted;
  const { window = '30s', metrics = METRICS } = planted;
  const id = randomUUID();
  await sql(
    url,
    `INSERT INTO rollout (id, project_id, environment_id, flag_id, state, phase, percentage, canary, baseline, bucket_by, salt, position,
                          rule_id, plan, epoch, started_by)
     SELECT $1, project.id, environment.id, flag.id, 'running', 'baking', $2, 'on', 'off', 'targetingKey', 'salt', '"last"',
            'rollout', jsonb_build_object('window', $3::text), $4, '{}'
     FROM project JOIN environment ON environment.project_id = project.id AND environment.key = $5
     JOIN flag ON flag.project_id = project.id AND flag.key = $6 WHERE project.key = 'default'`,
    [id, percentage, window, epoch, environment, flag],
  );
  for (const each of earlier) {
    await sql(
      url,
      `INSERT INTO rollout_event (rollout_id, at, type, state, stage, percentage, epoch, actor) VALUES ($1, now(), 'advanced', 'running', 0, 1, $2, '{}')`,
      [id, each],
    );
  }
  const mark: Measure = { rollout: id, epoch, canary: 'on', baseline: 'off', percentage, metrics };
  const rule = {
    id: 'rollout',
    conditions: [],
    gate: { percentage, salt: 'salt', otherwise: 'off' },
    serve: { variant: 'on' },
    measure: mark,
  };
  await sql(
    url,
    `UPDATE targeting SET document = document || jsonb_build_object('enabled', true, 'rules', jsonb_build_array($1::jsonb))
     FROM flag, environment
     WHERE flag.id = flag_id AND environment.id = environment_id AND flag.key = $2 AND environment.key = $3`,
    [JSON.stringify(rule), flag, environment],
  );
  return { id, epoch, mark };
}
