import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ADMIN_TOKEN, startApi, type TestApi } from '../support/api.js';
import { CanaryClock, FAULTY, HEALTHY } from '../support/canary-clock.js';
import { ROLLOUTS, startRollout, steer } from '../support/rollout.js';
import { sql } from '../support/sql.js';

let api: TestApi;
beforeAll(async () => {
  api = await startApi({ FLEDGE_RECONCILER: 'off' });
});
afterAll(() => api.stop());

async function pictureOf(id: string): Promise<{ picture: string; headers: Headers }> {
  const url = `${api.url}/api/v1${ROLLOUTS}/${id}/chart.svg`;
  const answer = await fetch(url, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } });
  expect(answer.status).toBe(200);
  return { picture: await answer.text(), headers: answer.headers };
}

/** What is open where the document ends, or the tag that closes what is not open; nothing for a document that is well-formed. */
function unbalanced(markup: string): readonly string[] {
  const open: string[] = [];
  for (const [tag, closes, name = '', , empty] of markup.matchAll(
    /<(\/?)([a-zA-Z]+)((?:\s[\w:-]+="[^"<]*")*)(\/?)>/g,
  )) {
    if (closes === '/' && open.pop() !== name) return [tag];
    if (closes === '' && empty === '') open.push(name);
  }
  return open;
}

/** The texts of an element of that name, each with the markup inside it taken away. */
const textsOf = (markup: string, name: string): string[] =>
  [...markup.matchAll(new RegExp(`<${name}(?: [^>]*)?>(.*?)</${name}>`, 'g'))].map(([, inside = '']) =>
    inside.replace(/<[^>]*>/g, ' ').trim(),
  );

describe('the picture of a rollout', () => {
  it('shows percentage, rates of both arms, evidence against its limit, and every event', async () => {
    const canary = await CanaryClock.of(api, await startRollout(api, 'late'));
    await canary.pass(8, HEALTHY);
    const { id } = await canary.pass(6, FAULTY);
    await canary.close();
    const { picture, headers } = await pictureOf(id);
    expect(headers.get('content-type')).toBe('image/svg+xml; charset=utf-8');
    expect(unbalanced(picture)).toEqual([]);
    const texts = textsOf(picture, 'text');
    expect(texts.slice(0, 2)).toEqual(['late: on instead of off', 'rolled back']);
    for (const label of ['percentage of the audience', 'evidence against the canary', 'limit 20'])
      expect(
        texts.some((each) => each.startsWith(label)),
        label,
      ).toBe(true);
    expect(texts.find((each) => each.startsWith('errors  '))).toMatch(/canary [\d.]+ %, [\d,]+ of [\d,]+ +control /);
    expect(texts.filter((each) => /^(started|advanced|rolled back)/.test(each))).toEqual([
      'rolled back',
      'started 10 %',
      'advanced 50 %',
      'rolled back',
    ]);
    // A band and a line for each arm; then the line of the evidence.
    expect(picture.match(/<path [^>]*class="f-(canary|control)"/g)).toHaveLength(2);
    expect(picture.match(/<path [^>]*class="s-(canary|control|first)"/g)).toHaveLength(3);
    expect(picture).not.toMatch(/NaN|Infinity|undefined/);
  });

  it('says what it shows to who does not see it', async () => {
    const { id } = await startRollout(api, 'described');
    const { picture } = await pictureOf(id);
    const labelled = /aria-labelledby="(\S+) (\S+)"/.exec(picture);
    expect(textsOf(picture, 'title')[0]).toBe('Rollout of described: running');
    expect(textsOf(picture, 'desc')[0]).toMatch(/^The canary gets 10 % of the audience\. Stage 0 of 2/);
    expect(picture).toContain(`<title id="${labelled?.[1]}">`);
    expect(picture).toContain(`<desc id="${labelled?.[2]}">`);
    expect(picture).toContain('@media (prefers-color-scheme:dark)');
  });

  it('begins with the start, however long it was waited for', async () => {
    const startAt = new Date(Date.now() + 3_600_000).toISOString();
    const canary = await CanaryClock.of(api, await startRollout(api, 'dated', { startAt }));
    canary.now = Date.parse(startAt) + 1_000;
    await canary.decide();
    const { picture } = await pictureOf(canary.rollout.id);
    await canary.close();
    const dots = [...picture.matchAll(/<circle cx="([^"]*)"/g)].map(([, x]) => x);
    expect(dots).toEqual(['64']);
    expect(picture).not.toContain('="-');
    expect(textsOf(picture, 'text')).toContain('started 10 %');
  });

  it('runs nothing, whatever was written into it, and lets in its own style sheet alone', async () => {
    const { id } = await startRollout(api, 'attacked');
    const comment = `</title><script>alert("1")</script>&\u0001<image href='//x'/>`;
    await steer(api.admin, id, 'rollback', { comment }).expect(200);
    const { picture, headers } = await pictureOf(id);
    expect(unbalanced(picture)).toEqual([]);
    for (const part of ['<script', '<image', ' href="', '\u0001']) expect(picture).not.toContain(part);
    expect(picture).toContain('&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;\uFFFD');
    const [style = ''] = textsOf(picture, 'style');
    const hash = createHash('sha256').update(style).digest('base64');
    expect(headers.get('content-security-policy')).toBe(
      `default-src 'none'; style-src 'sha256-${hash}'; frame-ancestors 'none'`,
    );
  });

  it('is no larger for a rollout of days than for one of minutes', async () => {
    const { id } = await startRollout(api, 'old');
    await sql(
      api.databaseUrl,
      `WITH decided AS (
         INSERT INTO rollout_decision (rollout_id, at, epoch, stage, percentage, decision, reasons, detail, baked_ms)
         SELECT $1, now() + n * interval '30 seconds', 1, 0, 10, 'hold', '[]', '', 0 FROM generate_series(1, 5000) AS n RETURNING id
       )
       INSERT INTO rollout_check (decision_id, guardrail, name, log_e, log_limit, canary, control, verdict)
       SELECT id, 0, 'errors', -1, 3, jsonb_build_object('n', 10 * place, 'k', place), jsonb_build_object('n', 90 * place, 'k', place), 'pass'
       FROM (SELECT id, row_number() OVER (ORDER BY id) AS place FROM decided) AS placed`,
      [id],
    );
    const { picture } = await pictureOf(id);
    expect(picture.length).toBeLessThan(60_000);
    const dots = picture.match(/<circle [^>]*class="f-canary"/g) ?? [];
    expect(dots.length).toBeGreaterThan(40);
    expect(dots.length).toBeLessThanOrEqual(60);
  });
});
