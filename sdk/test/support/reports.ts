import { EMPTY_ARM, type Arm, type ArmSums, type OutcomeReport } from '@fledge/canary';
import type { Flag, Measure, Rule, Snapshot } from '@fledge/evaluation';
import { createClient, type Fetch, type FledgeClient, type ServiceOptions } from '@fledge/sdk';
import { SDK_KEY, snapshotOf, switched } from './fake-service.js';
import { onTestFinished } from 'vitest';

export const ROLLOUT = '0192f4a1-6b1e-4c3d-9a55-5d0f5f5b1c11';

/** A flag with a rollout's rule: half of the units are in the canary unless it is said otherwise. */
export const watched = (mark: Partial<Measure> = {}, rule: Partial<Rule> = {}, key = 'checkout'): Flag => {
  const measure: Measure = {
    rollout: ROLLOUT,
    epoch: 7,
    canary: 'on',
    baseline: 'off',
    percentage: 50,
    metrics: { errors: { count: 'unit_window' }, latency: { count: 'unit_window', over: 100 } },
    ...mark,
  };
  const gate = { percentage: measure.percentage, salt: 'salt', otherwise: 'off' };
  return switched(key, false, {
    rules: [{ id: 'rollout', conditions: [], gate, serve: { variant: 'on' }, measure, ...rule }],
  });
};

export const watchedSnapshot = (flag: Flag = watched(), version = 1): Snapshot =>
  snapshotOf(version, { [flag.key]: flag, banner: true });

type ExposureBody = Omit<OutcomeReport, 'items'> & {
  readonly items: readonly { readonly flag: string; readonly variant: string | null; readonly n: number }[];
};

type Answer = (url: string, attempt: number) => Response | Promise<Response>;

/** A client whose stream says nothing after its first snapshot, and everything it reports. */
export type Reporting = {
  readonly client: FledgeClient;
  readonly outcomes: OutcomeReport[];
  readonly exposures: ExposureBody[];
  /** Everything that was posted, as text. */
  readonly posted: string[];
  /** Replaces the snapshot in force. */
  readonly put: (snapshot: Snapshot) => void;
};

/** Begins with the snapshot, and resolves when the client listens. */
export const report = async (
  snapshot: Snapshot = watchedSnapshot(),
  options: Partial<ServiceOptions> = {},
  answer: Answer = () => new Response(null, { status: 202 }),
): Promise<Reporting> => {
  const reporting = { outcomes: [] as OutcomeReport[], exposures: [] as ExposureBody[], posted: [] as string[] };
  let stream: ReadableStreamDefaultController<Uint8Array> | undefined;
  const put = (next: Snapshot): void =>
    stream?.enqueue(new TextEncoder().encode(`event: put\ndata: ${JSON.stringify(next)}\n\n`));
  const fetch: Fetch = async (url, { method, body = '' }) => {
    if (method !== 'POST') {
      return new Response(
        new ReadableStream<Uint8Array>({
          start: (controller) => {
            stream = controller;
          },
        }),
        { headers: { 'content-type': 'text/event-stream' } },
      );
    }
    reporting.posted.push(body);
    if (url.endsWith('/outcomes')) reporting.outcomes.push(JSON.parse(body) as OutcomeReport);
    else reporting.exposures.push(JSON.parse(body) as ExposureBody);
    return answer(url, reporting.posted.length);
  };
  const client = createClient({
    url: 'http://service',
    sdkKey: SDK_KEY,
    bootstrap: snapshot,
    fetch,
    random: () => 0.5,
    ...options,
  });
  onTestFinished(() => client.close());
  await client.flush();
  return { client, ...reporting, put };
};

/** What the reports say of an arm, the only one of its kind in each. */
export const armOf = ({ items }: OutcomeReport, arm: Arm, epoch = 7): ArmSums => {
  const [item = { ...EMPTY_ARM }, ...more] = items.filter((each) => each.arm === arm && each.epoch === epoch);
  if (more.length > 0) throw new Error('an arm is reported twice');
  return { first: item.first, metrics: item.metrics };
};
