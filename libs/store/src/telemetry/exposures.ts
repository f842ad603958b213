import type { DataSource } from 'typeorm';
import { SERVICE } from '../actor.js';
import { findEnvironment, findFlag, findProject } from '../locate.js';
import type { TargetingRef } from '../targeting-change.js';
import { read, write, type Tx } from '../transaction.js';
import type { Recorded } from './outcomes.js';
import { claimReports, type Received } from './report-ids.js';

/** How often a flag served a variant; null: the caller's default. */
export type ExposureCount = { readonly flag: string; readonly variant: string | null; readonly n: number };

/** A validated report of an environment's SDK. */
export type ReceivedExposures = Received & { readonly items: readonly ExposureCount[] };

/** The length of the windows of a chart. */
export type Every = 'minute' | 'hour';

/** What a flag served in one window: how often each variant, and how often the caller's default. */
export type ExposureWindow = {
  readonly from: string;
  readonly to: string;
  readonly variants: Readonly<Record<string, number>>;
  readonly default: number;
};

const MS: Readonly<Record<Every, number>> = { minute: 60_000, hour: 3_600_000 };

/** How often flags serve their variants: by minute for a day and a bit, by hour for a month. */
export class ExposureStore {
  constructor(private readonly dataSource: DataSource) {}

  /**
   * Adds a batch of reports, each once, to the minute in which it arrives by the database's clock. Flags and variants that do not exist
   * are passed over. Rows are added to in the order of their keys.
   */
  record(batch: readonly ReceivedExposures[]): Promise<readonly Recorded[]> {
    return write(this.dataSource, SERVICE, async (tx) => {
      const { fresh } = await claimReports(tx, batch);
      await add(tx, fresh);
      const isFresh = new Set(fresh);
      return batch.map((report): Recorded => ({
        counted: isFresh.has(report) ? report.items.length : 0,
        isRepeated: !isFresh.has(report),
      }));
    });
  }

  /** The windows from `from` (inclusive, to the window) to `to` (exclusive) in which the flag was asked for, in order. */
  async list(ref: TargetingRef, every: Every, from: Date, to: Date): Promise<readonly ExposureWindow[]> {
    return read(async () => {
      const { manager } = this.dataSource;
      const project = await findProject(manager, ref.project);
      const environment = await findEnvironment(manager, project, ref.environment);
      const flag = await findFlag(manager, project, ref.flag);
      const rows = await this.dataSource.query<{ at: Date; variant: string; n: number }[]>(
        `SELECT date_trunc($5, started_at, 'UTC') AS at, variant, sum(n)::float8 AS n FROM (
           SELECT started_at, variant, n FROM exposure_minute WHERE environment_id = $1 AND flag_id = $2
           UNION ALL SELECT started_at, variant, n FROM exposure_hour WHERE environment_id = $1 AND flag_id = $2 AND $5 = 'hour'
         ) AS exposure WHERE started_at >= date_trunc($5, $3::timestamptz, 'UTC') AND started_at < $4
         GROUP BY 1, 2 ORDER BY 1, 2`,
        [environment.id, flag.id, from, to, every],
      );
      return windowsOf(rows, every);
    });
  }
}

async function add(tx: Tx, reports: readonly ReceivedExposures[]): Promise<void> {
  const rows = reports.flatMap(({ environmentId, items }) => items.map((item) => ({ environmentId, ...item })));
  if (rows.length === 0) return;
  await tx.query(
    `INSERT INTO exposure_minute (environment_id, flag_id, started_at, variant, n)
     SELECT environment.id, flag.id, date_trunc('minute', clock_timestamp(), 'UTC') AS started_at, given.variant, sum(given.n)
     FROM unnest($1::int[], $2::text[], $3::text[], $4::bigint[]) AS given (environment_id, flag, variant, n)
     JOIN environment ON environment.id = given.environment_id
     JOIN flag ON flag.project_id = environment.project_id AND flag.key = given.flag
     WHERE given.variant = '' OR flag.variants ? given.variant
     GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4
     ON CONFLICT ON CONSTRAINT exposure_minute_pkey DO UPDATE SET n = exposure_minute.n + excluded.n`,
    [
      rows.map(({ environmentId }) => environmentId),
      rows.map(({ flag }) => flag),
      rows.map(({ variant }) => variant ?? ''),
      rows.map(({ n }) => n),
    ],
  );
}

function windowsOf(
  rows: readonly { readonly at: Date; readonly variant: string; readonly n: number }[],
  every: Every,
): readonly ExposureWindow[] {
  const instants = [...new Set(rows.map(({ at }) => at.getTime()))];
  return instants.map((instant) => {
    const own = rows.filter(({ at }) => at.getTime() === instant);
    return {
      from: new Date(instant).toISOString(),
      to: new Date(instant + MS[every]).toISOString(),
      variants: Object.fromEntries(own.filter(({ variant }) => variant !== '').map(({ variant, n }) => [variant, n])),
      default: own.find(({ variant }) => variant === '')?.n ?? 0,
    };
  });
}
