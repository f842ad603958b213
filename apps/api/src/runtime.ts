import { setTimeout as sleep } from 'node:timers/promises';
import { migrations } from '@fledge/migrations';
import {
  ChangeFeed,
  ChangeStore,
  CohortStore,
  createDataSource,
  DeliveryStore,
  endSilentConnections,
  EnvironmentStore,
  ExposureStore,
  FlagStore,
  ExportStore,
  GateAsking,
  HistoryStore,
  ImportStore,
  OutcomeStore,
  PatternCheck,
  SecretStore,
  Sealer,
  cleanUp,
  cleanUpTelemetry,
  probe,
  ProjectStore,
  readWindows,
  RestoreStore,
  RevertStore,
  RolloutHistory,
  RolloutPlanStore,
  RolloutReconciling,
  RolloutSteering,
  RolloutStore,
  SnapshotStore,
  TargetingStore,
  TokenStore,
  WebhookDelivering,
  WebhookStore,
} from '@fledge/store';
import { Authenticator } from './auth/authenticator.js';
import type { Config, HttpSettings } from './config.js';
import { SnapshotCache } from './delivery/snapshot-cache.js';
import { oneAtATime } from './delivery/one-at-a-time.js';
import { StreamHub } from './delivery/stream-hub.js';
import { Metrics } from './health/metrics.js';
import { Readiness } from './health/readiness.js';
import { Login } from './login/login.js';
import { Sessions } from './login/sessions.js';
import { RateLimits } from './http/rate-limits.js';
import type { Logger } from './log.js';
import { Courier } from './outgoing/courier.js';
import { messages } from './outgoing/messages.js';
import { Outgoing } from './outgoing/outgoing.js';
import { questions } from './outgoing/questions.js';
import { Reconciler } from './reconciler/reconciler.js';
import { RolloutSignals } from './rollouts/signals.js';
import { TelemetryIntake } from './telemetry/intake.js';

export type Stores = {
  readonly projects: ProjectStore;
  readonly environments: EnvironmentStore;
  readonly flags: FlagStore;
  readonly targetings: TargetingStore;
  readonly cohorts: CohortStore;
  readonly rollouts: RolloutStore;
  readonly steering: RolloutSteering;
  readonly rolloutHistory: RolloutHistory;
  readonly rolloutPlans: RolloutPlanStore;
  readonly changes: ChangeStore;
  readonly reverts: RevertStore;
  readonly restores: RestoreStore;
  readonly history: HistoryStore;
  readonly exports: ExportStore;
  readonly imports: ImportStore;
  readonly tokens: TokenStore;
  readonly secrets: SecretStore;
  readonly outcomes: OutcomeStore;
  readonly exposures: ExposureStore;
  readonly webhooks: WebhookStore;
  readonly deliveries: DeliveryStore;
};

/** Everything that lives as long as the process: connections, stores, caches and the loops that keep them true. */
export type Runtime = {
  readonly stores: Stores;
  readonly snapshots: SnapshotCache;
  readonly streams: StreamHub;
  readonly signals: RolloutSignals;
  readonly authenticator: Authenticator;
  readonly rates: RateLimits;
  readonly telemetry: TelemetryIntake;
  readonly outgoing: Outgoing;
  readonly sessions: Sessions;
  readonly login: Login;
  readonly readiness: Readiness;
  readonly metrics: Metrics;
  readonly http: HttpSettings;
  /** Connects, and begins to follow the change log. */
  start(): Promise<void>;
  stop(): Promise<void>;
};

export type RuntimeOptions = Pick<
  Config,
  'adminToken' | 'limits' | 'poolSize' | 'streams' | 'http' | 'reconciles' | 'outgoing' | 'sealingKeys' | 'login'
> & {
  readonly url: string;
  readonly directUrl: string;
  readonly log: Logger;
  /** After how many milliseconds without a byte a connection to the database is given up; for tests. */
  readonly silenceMs?: number;
};

/** How often the log is read without being told to: the truth behind the notifications. */
const POLL_MS = 5_000;
/** The same while LISTEN cannot be had. */
const POLL_WITHOUT_LISTEN_MS = 1_000;
const CLEAN_UP_MS = 3_600_000;
const CLEAN_UP_TELEMETRY_MS = 60_000;
/** How long a shutdown waits for the database; all that may be lost is when tokens were last used. */
const STOP_MS = 5_000;

export function createRuntime(options: RuntimeOptions): Runtime {
  const { log, limits } = options;
  const dataSource = createDataSource({ url: options.url, poolSize: options.poolSize, migrations });
  const patterns = new PatternCheck();
  const targetings = new TargetingStore(dataSource, limits, patterns);
  const secrets = new SecretStore(dataSource);
  const sealer = new Sealer(secrets, options.sealingKeys);
  const stores: Stores = {
    projects: new ProjectStore(dataSource),
    environments: new EnvironmentStore(dataSource, limits),
    flags: new FlagStore(dataSource, limits),
    targetings,
    cohorts: new CohortStore(dataSource, limits, patterns),
    rollouts: new RolloutStore(dataSource, limits),
    steering: new RolloutSteering(dataSource, limits),
    rolloutHistory: new RolloutHistory(dataSource),
    rolloutPlans: new RolloutPlanStore(dataSource),
    changes: new ChangeStore(dataSource),
    reverts: new RevertStore(dataSource, targetings, limits),
    restores: new RestoreStore(dataSource, limits),
    history: new HistoryStore(dataSource),
    exports: new ExportStore(dataSource),
    imports: new ImportStore(dataSource, limits, patterns),
    tokens: new TokenStore(dataSource),
    secrets,
    outcomes: new OutcomeStore(dataSource),
    exposures: new ExposureStore(dataSource),
    webhooks: new WebhookStore(dataSource, sealer, limits),
    deliveries: new DeliveryStore(dataSource),
  };
  const snapshots = new SnapshotCache(new SnapshotStore(dataSource), log);
  const signals = new RolloutSignals();
  const streams = new StreamHub(snapshots, options.streams, log);
  const authenticator = new Authenticator(stores.tokens, options.adminToken, log);
  const sessions = new Sessions(options.login);
  /** A stream outlives the request that opened it, so its token is looked at again and again. */
  const endRevoked = async (): Promise<void> => streams.end(await stores.tokens.invalid(streams.tokens()));
  const poll = oneAtATime(async () => {
    try {
      if (await snapshots.poll((id) => streams.isListenedTo(id))) feed.miss();
      await endRevoked();
    } catch (error) {
      log.warn({ err: error }, 'the change log could not be read; what is held stays in force');
    }
  });
  const feed = new ChangeFeed({
    url: options.directUrl,
    onHint: (hint) => snapshots.onHint(hint),
    onTokens: () => {
      authenticator.forget();
      void poll();
    },
    onRollout: (id) => {
      signals.wake(id);
      reconciler.wake();
      courier.wake();
    },
    onConnected: () => {
      // A revocation may have been notified while nobody listened.
      authenticator.forget();
      void poll();
    },
    onTrouble: (message) =>
      log.warn({ cause: message }, 'not listening for changes; reading the log every second instead'),
  });
  const readiness = new Readiness({ database: () => probe(dataSource), listening: () => feed.hears }, log);
  const metrics = new Metrics();
  metrics.gauge('fledge_snapshots_held', 'Environments whose snapshot is in memory.', () => snapshots.size);
  metrics.gauge('fledge_streams_open', 'SDKs that listen for changes.', () => streams.size);
  metrics.gauge('fledge_listening', '1 while changes are pushed to this replica, 0 while it polls for them.', () =>
    Number(feed.hears),
  );
  const reconciling = new RolloutReconciling(dataSource, readWindows, limits);
  const decided = metrics.counter('fledge_rollout_decisions_total', 'Decisions of this replica.', 'decision');
  const reconciler = new Reconciler(reconciling, decided, log);
  metrics.gauges('fledge_rollouts', 'Rollouts by state.', 'state', () => reconciling.states());
  metrics.gauges(
    'fledge_rollouts_lag_seconds',
    'For how long the rollout that is due longest has been.',
    'which',
    async () => ({ oldest: await reconciling.lagSeconds() }),
  );
  const outgoing = new Outgoing(options.outgoing);
  const delivering = new WebhookDelivering(dataSource, sealer, options.outgoing.retries);
  const attempted = metrics.counter(
    'fledge_webhook_attempts_total',
    'Attempts of this replica to deliver a message, by how they ended.',
    'outcome',
  );
  const asking = new GateAsking(dataSource, sealer);
  const courier = new Courier([messages(delivering, outgoing, attempted, log), questions(asking, outgoing)], log);
  metrics.gauges('fledge_webhook_deliveries', 'Messages to webhooks by state.', 'state', () => delivering.states());
  const telemetry = new TelemetryIntake(stores.outcomes, stores.exposures);
  metrics.gauge('fledge_reports_waiting', 'Reports of SDKs that are not yet written.', () => telemetry.waiting);
  metrics.gauge('fledge_reports_counted', 'Reports of SDKs counted since the start.', () => telemetry.totals.counted);
  metrics.gauge(
    'fledge_reports_repeated',
    'Reports that came again and were not counted again.',
    () => telemetry.totals.repeated,
  );
  metrics.gauge(
    'fledge_observations_dropped',
    'Observations that SDKs say they had to drop.',
    () => telemetry.totals.dropped,
  );
  const loops: NodeJS.Timeout[] = [];
  const close = async (): Promise<void> => {
    await feed.stop();
    await reconciler.stop();
    await courier.stop();
    await telemetry.stop();
    await patterns.stop();
    await authenticator.stop();
    if (dataSource.isInitialized) await dataSource.destroy();
  };

  return {
    stores,
    snapshots,
    streams,
    signals,
    authenticator,
    rates: new RateLimits(options.http.limits),
    telemetry,
    outgoing,
    sessions,
    login: new Login(options.login, sessions, stores.tokens, log),
    readiness,
    metrics,
    http: options.http,
    async start() {
      await dataSource.initialize();
      endSilentConnections(dataSource, options.silenceMs);
      feed.start();
      if (options.reconciles) {
        reconciler.start();
        courier.start();
      }
      let polledAt = 0;
      loops.push(
        setInterval(() => {
          // Not the time of day, which may be set back by an hour.
          if (performance.now() - polledAt < (feed.hears ? POLL_MS : POLL_WITHOUT_LISTEN_MS)) return;
          polledAt = performance.now();
          void poll();
        }, POLL_WITHOUT_LISTEN_MS),
        setInterval(() => {
          cleanUp(dataSource).catch((error: unknown) => log.warn({ err: error }, 'old rows could not be cleaned up'));
        }, CLEAN_UP_MS),
        setInterval(() => {
          cleanUpTelemetry(dataSource).catch((error: unknown) =>
            log.warn({ err: error }, 'old telemetry could not be cleaned up'),
          );
        }, CLEAN_UP_TELEMETRY_MS),
      );
    },
    async stop() {
      for (const loop of loops) clearInterval(loop);
      await Promise.race([close(), sleep(STOP_MS, undefined, { ref: false })]);
    },
  };
}
