import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApi, type TestApi } from '../support/api.js';
import { Deciders, windowsBetween } from '../support/deciders.js';
import { buildReplica } from '../support/replica.js';
import { SHORT_PLAN, startRollout, steer } from '../support/rollout.js';
import { sql } from '../support/sql.js';

/** `npm run test:kill` takes 400 rollouts and eight processes. */
const ROLLOUTS = Number(process.env['FLEDGE_KILL_ROLLOUTS'] ?? 100);
const DECIDERS = Math.ceil(ROLLOUTS / 50);
/** Starting another one takes longer than all that a few have to decide. */
const KILLS = ROLLOUTS / 25;
const BAKE_MS = 10_000;
const LIMIT_MS = 60_000 + ROLLOUTS * 500;

let api: TestApi;
beforeAll(async () => {
  await buildReplica();
  api = await startApi({ FLEDGE_RECONCILER: 'off' });
});
afterAll(() => api.stop({ undoing: false }));

/** Starts one, and copies it with its flag so that each copy is at the same point of its own life. */
async function startMany(): Promise<void> {
  const bake = { minBake: `${BAKE_MS / 1_000}s`, minSamples: { requests: 0, units: 0 } };
  const stages = [...[1, 5, 10, 25, 50].map((percentage) => ({ percentage, ...bake })), { percentage: 100 }];
  const template = await startRollout(api, 'copied', { plan: { ...SHORT_PLAN, stages } });
  const copy = `SELECT each.*, flag.id AS copy_id, md5(flag.key)::uuid AS copy FROM each JOIN flag ON flag.key LIKE 'copy-%'`;
  await sql(
    api.databaseUrl,
    `INSERT INTO flag (project_id, key, type, name, variants, default_variant)
     SELECT project_id, 'copy-' || n, type, name, variants, default_variant FROM flag, generate_series(1, $1) AS n WHERE key = 'copied'`,
    [ROLLOUTS],
  );
  await sql(
    api.databaseUrl,
    `WITH each AS (SELECT targeting.* FROM targeting JOIN flag ON flag.id = flag_id WHERE flag.key = 'copied'), copies AS (${copy})
     INSERT INTO targeting (flag_id, environment_id, document, version)
     SELECT copy_id, environment_id, replace(document::text, $1, copy::text)::jsonb, version FROM copies`,
    [template.id],
  );
  await sql(
    api.databaseUrl,
    `WITH each AS (SELECT to_jsonb(rollout) AS row FROM rollout WHERE id = $1), copies AS (${copy})
     INSERT INTO rollout SELECT copied.* FROM copies, jsonb_populate_record(
       NULL::rollout, replace(row::text, $1::text, copy::text)::jsonb || jsonb_build_object('flag_id', copy_id)) AS copied`,
    [template.id],
  );
  await steer(api.admin, template.id, 'cancel').expect(200);
}

type Course = {
  readonly steps: readonly string[];
  readonly least: number;
  readonly started: Date;
  readonly ended: Date;
  readonly blocks: number;
  readonly changes: number;
};

it(
  `decides about each of ${ROLLOUTS} rollouts once, beside others that are killed, and shortens no bake`,
  async () => {
    await startMany();
    const version = async (): Promise<number> =>
      (
        await sql<{ v: number }>(
          api.databaseUrl,
          `SELECT snapshot_version AS v FROM environment WHERE key = 'production'`,
        )
      )[0]?.v ?? NaN;
    const before = await version();
    const deciders = new Deciders(api.databaseUrl, DECIDERS);
    const live = async (): Promise<number> =>
      (await sql<{ n: number }>(api.databaseUrl, `SELECT count(*)::int AS n FROM rollout WHERE state = 'running'`))[0]
        ?.n ?? NaN;
    const end = Date.now() + LIMIT_MS;
    try {
      while ((await live()) > 0) {
        expect(Date.now(), `${await live()} live still: ${deciders.errors}`).toBeLessThan(end);
        await sleep(300 + Math.random() * 500);
        if (deciders.killed < KILLS) deciders.killOne();
      }
    } finally {
      await deciders.stop();
    }
    const courses = await sql<Course>(
      api.databaseUrl,
      `SELECT array_agg(type || ' ' || stage || ' ' || percentage ORDER BY id) AS steps,
              min(extract(epoch FROM at - since) * 1000)::float8 AS least, started_at AS started, ended_at AS ended,
              (evidence #>> '{guardrails,0,process,blocks}')::int AS blocks,
              (SELECT count(*)::int FROM change WHERE subject_key = key AND actor ->> 'id' = 'reconciler') AS changes
       FROM (SELECT rollout_event.*, rollout.started_at, rollout.ended_at, rollout.evidence, flag.key,
                    coalesce(lag(at) OVER (PARTITION BY rollout_id ORDER BY rollout_event.id), started_at) AS since
             FROM rollout_event JOIN rollout ON rollout.id = rollout_id JOIN flag ON flag.id = flag_id
             WHERE flag.key LIKE 'copy-%') AS event
       GROUP BY rollout_id, started_at, ended_at, evidence, key`,
    );
    expect(courses).toHaveLength(ROLLOUTS);
    const steps = ['advanced 1 5', 'advanced 2 10', 'advanced 3 25', 'advanced 4 50', 'completed 5 100'];
    for (const course of courses) {
      expect(course).toMatchObject({ steps, changes: steps.length });
      expect(course.least).toBeGreaterThanOrEqual(BAKE_MS);
      // Nothing of what it had learned went with who was killed, and nothing was learned twice.
      expect(course.blocks).toBe(windowsBetween(course.started, course.ended));
    }
    expect((await version()) - before).toBe(steps.length * ROLLOUTS);
    expect(deciders.killed).toBeGreaterThan(1);
  },
  LIMIT_MS + 30_000,
);
