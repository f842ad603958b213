import type { Client } from './api.js';
import { sql } from './sql.js';

/** What a document carries about itself, which no undoing brings back: versions and times of writing. */
const BOOKKEEPING = new Set(['version', 'snapshotVersion', 'updatedAt', 'nextCursor']);

/** Everything of a project that people and SDKs can see, as text, to be compared byte for byte. Members are sets: sorted. */
export async function everythingOf(api: Client, project: string): Promise<string> {
  const root = `/projects/${project}`;
  const list = async (path: string): Promise<{ key: string }[]> =>
    (await api.get(`${path}${path.includes('?') ? '&' : '?'}limit=200`).expect(200)).body.items as { key: string }[];
  const answer = await api.get(root);
  if (answer.status === 404) return 'none';
  const environments = await list(`${root}/environments`);
  const flags = [...(await list(`${root}/flags`)), ...(await list(`${root}/flags?archived=true`))];
  const parts: unknown[] = [answer.body, environments, flags];
  const places = environments.flatMap(({ key }) =>
    flags.map((flag) => `${root}/environments/${key}/flags/${flag.key}`),
  );
  parts.push(...(await Promise.all(places.map(async (path) => (await api.get(path).expect(200)).body as unknown))));
  for (const { key } of await list(`${root}/cohorts`)) {
    parts.push((await api.get(`${root}/cohorts/${key}`).expect(200)).body);
    const members = (await list(`${root}/cohorts/${key}/members`)) as unknown as { unit: string }[];
    parts.push(members.sort((a, b) => (a.unit < b.unit ? -1 : 1)));
  }
  const plans = await list(`${root}/rollout-plans`);
  if (plans.length > 0) parts.push(plans);
  return JSON.stringify(parts, (name, value: unknown) => (BOOKKEEPING.has(name) ? undefined : value), 1);
}

/** The ids of all changes of a database that nobody has undone, the newest first, with what they did. */
export async function changesToUndo(url: string, after: string): Promise<{ id: string; action: string }[]> {
  return sql(
    url,
    `SELECT id::text AS id, action FROM change WHERE id > $1::bigint AND reverts IS NULL ORDER BY change.id DESC`,
    [after],
  );
}
