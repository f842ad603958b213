import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer, ServiceClient } from './service-client.js';
import { sql } from './sql.js';

const FLAGS = '/projects/default/environments/production/flags';
/** The flag that the racers edit. */
const RACED = 'raced';
const WRITERS = ['writer-0', 'writer-1', 'writer-2'];
const RACERS = ['racer-0', 'racer-1'];
/** A condition holds 1,000 values. */
const MOST_RACES = 450;

type Logged = { version: number; comment: string | null; patch: { flags?: Record<string, Targeting> } };
type Targeting = { rules: { gate?: { percentage: number }; conditions: { values: string[] }[] }[] };

/**
 * Three writers with a flag each, and two that race on one flag, all through whichever replica `pick` names at the moment. What was
 * acknowledged is remembered, so that `verify` can hold the database to it.
 */
export class WriteLoad {
  /** What was acknowledged: comments, which are all different, and the versions they got. */
  readonly acknowledged = new Map<string, number>();
  /** Answers that no fault excuses. */
  readonly unexpected: string[] = [];
  readonly #pick: () => ServiceClient;
  readonly #over = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor(pick: () => ServiceClient) {
    this.#pick = pick;
  }

  async begin(): Promise<void> {
    await this.#pick().makeFlags(...WRITERS, RACED);
    this.#running = Promise.all([
      ...WRITERS.map((name) => this.#loop((count) => this.#write(name, count))),
      ...RACERS.map((name) => this.#loop((count) => this.#race(`${name} ${count}`), MOST_RACES)),
    ]);
  }

  async end(): Promise<void> {
    this.#over.abort();
    await this.#running;
  }

  /**
   * Compares the log of the environment with what was acknowledged: nothing is lost, nothing is there twice, no version is missing and
   * no change is half written. Answers what is wrong.
   */
  async verify(databaseUrl: string): Promise<string[]> {
    // Writers may go on meanwhile: what they are told from here on need not be in what is read.
    const acknowledged = new Map(this.acknowledged);
    const log = await sql<Logged>(
      databaseUrl,
      `SELECT logged.version, comment, patch FROM environment_change AS logged JOIN change ON change.id = change_id
       JOIN environment ON environment.id = environment_id WHERE environment.key = 'production' ORDER BY version`,
    );
    const problems = log
      .filter(({ version }, index) => index > 0 && version !== (log[index - 1]?.version ?? 0) + 1)
      .map(({ version }) => `there is a gap before version ${version}`);
    const versions = new Map<string, number[]>();
    for (const { comment, version } of log)
      if (comment !== null) versions.set(comment, [...(versions.get(comment) ?? []), version]);
    for (const [comment, version] of acknowledged)
      if (versions.get(comment)?.join() !== String(version))
        problems.push(
          `"${comment}" was acknowledged as ${version} and is in the log as ${versions.get(comment)?.join()}`,
        );
    for (const [comment, found] of versions)
      if (found.length > 1) problems.push(`"${comment}" is there ${found.join()}`);
    for (const { version, comment, patch } of log) {
      const [name = '', count] = comment?.split(' ') ?? [];
      if (!WRITERS.includes(name)) continue;
      const percentage = patch.flags?.[name]?.rules[0]?.gate?.percentage;
      if (percentage !== percentageOf(Number(count)))
        problems.push(`version ${version} is half written: ${percentage}`);
    }
    return [
      ...problems,
      ...(await this.#judgeRace([...acknowledged.keys()])),
      ...(await orphans(databaseUrl)),
      ...this.unexpected,
    ];
  }

  /** Every acknowledged edit of the racers is in the document they raced for, once. */
  async #judgeRace(acknowledged: readonly string[]): Promise<string[]> {
    const values = valuesOf((await this.#pick().must('GET', `${FLAGS}/${RACED}`)).body as Targeting);
    const lost = acknowledged.filter((comment) => comment.startsWith('racer') && !values.includes(comment));
    const doubled = values.length - new Set(values).size;
    return [
      ...lost.map((comment) => `"${comment}" was overwritten`),
      ...(doubled > 0 ? [`${doubled} are there twice`] : []),
    ];
  }

  async #loop(write: (count: number) => Promise<void>, most = Number.POSITIVE_INFINITY): Promise<void> {
    for (let count = 1; count <= most && !this.#over.signal.aborted; count++) {
      await write(count);
      // Longer than a write takes, so that replicas that start meanwhile have the machine too.
      await sleep(40);
    }
  }

  async #write(name: string, count: number): Promise<void> {
    const comment = `${name} ${count}`;
    const body = { percentage: percentageOf(count), variant: 'on', comment };
    this.#note(comment, await this.#ask('POST', `${FLAGS}/${name}/percentage`, body));
  }

  /** Adds itself to a list, as often as it takes; who holds a stale version is refused. */
  async #race(comment: string): Promise<void> {
    for (let attempt = 0; attempt < 20 && !this.#over.signal.aborted; attempt++) {
      const read = await this.#ask('GET', `${FLAGS}/${RACED}`);
      if (read === undefined) continue;
      const values = valuesOf(read.body as Targeting);
      // An edit whose answer was lost may have been made.
      if (values.includes(comment)) return;
      const rules = [
        {
          id: 'race',
          conditions: [{ attribute: 'name', operator: 'in', values: [...values, comment] }],
          serve: { variant: 'on' },
        },
      ];
      const wrote = await this.#ask('PUT', `${FLAGS}/${RACED}`, { ...(read.body as object), rules, comment });
      if (wrote?.status === 412) continue;
      this.#note(comment, wrote);
      if (wrote?.status === 200) return;
    }
  }

  #note(comment: string, answer: Answer | undefined): void {
    if (answer?.status === 200) this.acknowledged.set(comment, answer.body.version as number);
    else if (answer !== undefined && answer.status !== 503)
      this.unexpected.push(`"${comment}" was answered with ${answer.status} ${JSON.stringify(answer.body)}`);
  }

  /** Undefined: there was no answer. */
  async #ask(method: string, path: string, body?: unknown): Promise<Answer | undefined> {
    const answer = await this.#pick()
      .ask(method, path, body)
      .catch(() => undefined);
    if (answer === undefined || answer.status === 503) await sleep(20);
    return method === 'GET' && answer?.status !== 200 ? undefined : answer;
  }
}

const percentageOf = (count: number): number => (count % 100_000) / 1_000;

const valuesOf = ({ rules }: Targeting): string[] => rules[0]?.conditions[0]?.values ?? [];

/** Documents that are newer than the log, and changes that touch an environment and raised no version of it. */
async function orphans(databaseUrl: string): Promise<string[]> {
  const [row] = await sql<{ ahead: number; unlogged: number }>(
    databaseUrl,
    `SELECT (SELECT count(*)::int FROM environment WHERE snapshot_version <>
               (SELECT max(version) FROM environment_change WHERE environment_id = environment.id)) AS ahead,
            (SELECT count(*)::int FROM change WHERE jsonb_array_length(environments) <>
               (SELECT count(*) FROM environment_change WHERE change_id = change.id)) AS unlogged`,
  );
  const problems = [];
  if (row?.ahead !== 0) problems.push(`${row?.ahead} environments are not at the end of their log`);
  if (row?.unlogged !== 0)
    problems.push(`${row?.unlogged} changes are not in the logs of all environments they touched`);
  return problems;
}
