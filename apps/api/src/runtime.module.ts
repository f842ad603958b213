import { Module, type DynamicModule } from '@nestjs/common';
import {
  ChangeStore,
  CohortStore,
  DeliveryStore,
  EnvironmentStore,
  ExposureStore,
  FlagStore,
  ExportStore,
  HistoryStore,
  ImportStore,
  ProjectStore,
  RestoreStore,
  RevertStore,
  RolloutHistory,
  RolloutPlanStore,
  RolloutSteering,
  RolloutStore,
  SecretStore,
  TargetingStore,
  TokenStore,
  WebhookStore,
} from '@fledge/store';
import { Authenticator } from './auth/authenticator.js';
import { SnapshotCache } from './delivery/snapshot-cache.js';
import { StreamHub } from './delivery/stream-hub.js';
import { Metrics } from './health/metrics.js';
import { RateLimits } from './http/rate-limits.js';
import { Outgoing } from './outgoing/outgoing.js';
import { TelemetryIntake } from './telemetry/intake.js';
import { RolloutSignals } from './rollouts/signals.js';
import { Login } from './login/login.js';
import { Sessions } from './login/sessions.js';
import type { Runtime } from './runtime.js';
import { Readiness } from './health/readiness.js';

/** What was made before the application and outlives its requests: stores, caches, metrics. Every module may ask for it. */
@Module({})
export class RuntimeModule {
  static with(runtime: Runtime): DynamicModule {
    const { stores } = runtime;
    const providers = [
      { provide: ProjectStore, useValue: stores.projects },
      { provide: EnvironmentStore, useValue: stores.environments },
      { provide: FlagStore, useValue: stores.flags },
      { provide: TargetingStore, useValue: stores.targetings },
      { provide: CohortStore, useValue: stores.cohorts },
      { provide: RolloutStore, useValue: stores.rollouts },
      { provide: RolloutSteering, useValue: stores.steering },
      { provide: RolloutHistory, useValue: stores.rolloutHistory },
      { provide: RolloutPlanStore, useValue: stores.rolloutPlans },
      { provide: RolloutSignals, useValue: runtime.signals },
      { provide: ChangeStore, useValue: stores.changes },
      { provide: RevertStore, useValue: stores.reverts },
      { provide: RestoreStore, useValue: stores.restores },
      { provide: ExportStore, useValue: stores.exports },
      { provide: ImportStore, useValue: stores.imports },
      { provide: HistoryStore, useValue: stores.history },
      { provide: TokenStore, useValue: stores.tokens },
      { provide: SecretStore, useValue: stores.secrets },
      { provide: ExposureStore, useValue: stores.exposures },
      { provide: WebhookStore, useValue: stores.webhooks },
      { provide: DeliveryStore, useValue: stores.deliveries },
      { provide: Outgoing, useValue: runtime.outgoing },
      { provide: TelemetryIntake, useValue: runtime.telemetry },
      { provide: SnapshotCache, useValue: runtime.snapshots },
      { provide: StreamHub, useValue: runtime.streams },
      { provide: Authenticator, useValue: runtime.authenticator },
      { provide: Sessions, useValue: runtime.sessions },
      { provide: Login, useValue: runtime.login },
      { provide: RateLimits, useValue: runtime.rates },
      { provide: Readiness, useValue: runtime.readiness },
      { provide: Metrics, useValue: runtime.metrics },
    ];
    return { module: RuntimeModule, global: true, providers, exports: providers.map(({ provide }) => provide) };
  }
}
