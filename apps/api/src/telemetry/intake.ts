import { validateReport, type OutcomeReport } from '@fledge/canary';
import { own, type Problem } from '@fledge/evaluation';
import type { ExposureStore, OutcomeStore, ReceivedExposures, ReceivedOutcomes, Recorded } from '@fledge/store';
import { RequestError } from '../http/problem.js';
import { exposureProblems, type ExposureReport } from './exposure-report.js';
import { GroupCommit, type QueueLimits } from './group-commit.js';

/** Where a report comes from: the environment and the key, and how large it is. */
export type Sender = { readonly environmentId: number; readonly tokenId: string; readonly bytes: number };

/** The service takes no report older than that: what it says is about another time. */
const OLDEST_MS = 300_000;

/** What a process may hold of reports that are not yet written. */
const QUEUE: QueueLimits = { bytes: 67_108_864, perSender: 33_554_432 };

/** Judges reports and has them written in batches. */
export class TelemetryIntake {
  readonly #outcomes: GroupCommit<ReceivedOutcomes, Recorded>;
  readonly #exposures: GroupCommit<ReceivedExposures, Recorded>;
  /** Since the start of this process. */
  readonly totals = { counted: 0, repeated: 0, dropped: 0 };

  constructor(outcomes: OutcomeStore, exposures: ExposureStore, limits: QueueLimits = QUEUE) {
    this.#outcomes = new GroupCommit((batch) => outcomes.record(batch), limits);
    this.#exposures = new GroupCommit((batch) => exposures.record(batch), limits);
  }

  /** How many reports wait to be written. */
  get waiting(): number {
    return this.#outcomes.size + this.#exposures.size;
  }

  /** Resolves when the report is counted. @throws RequestError 422 with every problem, 429 when too much waits */
  async outcomes(body: unknown, { environmentId, tokenId, bytes }: Sender): Promise<Recorded> {
    refuse(validateReport(body), body);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- validated by the line above
    const report = body as OutcomeReport;
    return this.#noted(report, await this.#outcomes.add({ environmentId, report }, bytes, tokenId));
  }

  /** The same for counts of exposures. */
  async exposures(body: unknown, { environmentId, tokenId, bytes }: Sender): Promise<Recorded> {
    refuse(exposureProblems(body), body);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- validated by the line above
    const report = body as ExposureReport;
    const { id, items } = report;
    return this.#noted(report, await this.#exposures.add({ environmentId, id, items }, bytes, tokenId));
  }

  /** Resolves when nothing is being written any more. */
  async stop(): Promise<void> {
    await Promise.all([this.#outcomes.drain(), this.#exposures.drain()]);
  }

  #noted({ dropped }: { readonly dropped: number }, recorded: Recorded): Recorded {
    if (recorded.isRepeated) this.totals.repeated += 1;
    else {
      this.totals.counted += 1;
      this.totals.dropped += dropped;
    }
    return recorded;
  }
}

function refuse(problems: readonly Problem[], body: unknown): void {
  const [first] = problems;
  if (first !== undefined)
    throw new RequestError(
      422,
      'invalid',
      `${first.pointer}: ${first.message}${problems.length > 1 ? ` (and ${problems.length - 1} more)` : ''}`,
      { errors: problems },
    );
  const age = Number(own(body, 'ageMs'));
  if (age > OLDEST_MS)
    throw new RequestError(422, 'too_old', `The report is ${age} ms old; expected at most ${OLDEST_MS} ms.`, {
      errors: [{ pointer: '/ageMs', code: 'too_old', message: `Expected at most ${OLDEST_MS}.` }],
    });
}
