import { ChangeUndoRow } from './change-undo.entity.js';
import { ChangeRow } from './change.entity.js';
import { CohortMemberRow } from './cohort-member.entity.js';
import { CohortRow } from './cohort.entity.js';
import { EnvironmentChangeRow } from './environment-change.entity.js';
import { EnvironmentRow } from './environment.entity.js';
import { ExposureHourRow, ExposureMinuteRow } from './exposure.entity.js';
import { FlagRow } from './flag.entity.js';
import { IdempotencyRow } from './idempotency.entity.js';
import { OutcomeInstanceRow, OutcomePartRow, OutcomeWindowRow } from './outcome.entity.js';
import { ProjectRow } from './project.entity.js';
import { RolloutCheckRow } from './rollout-check.entity.js';
import { RolloutDecisionRow } from './rollout-decision.entity.js';
import { RolloutEventRow } from './rollout-event.entity.js';
import { RolloutPlanRow } from './rollout-plan.entity.js';
import { RolloutRow } from './rollout.entity.js';
import { SecretRow } from './secret.entity.js';
import { TargetingRow } from './targeting.entity.js';
import { TelemetryReportRow } from './telemetry-report.entity.js';
import { TokenRow } from './token.entity.js';
import { WebhookDeliveryRow } from './webhook-delivery.entity.js';
import { WebhookRow } from './webhook.entity.js';

/** Every table as TypeORM knows it; the migrations make them, the drift check compares. */
export const entities = [
  ChangeRow,
  ChangeUndoRow,
  CohortMemberRow,
  CohortRow,
  EnvironmentChangeRow,
  EnvironmentRow,
  ExposureHourRow,
  ExposureMinuteRow,
  FlagRow,
  IdempotencyRow,
  OutcomeInstanceRow,
  OutcomePartRow,
  OutcomeWindowRow,
  ProjectRow,
  RolloutCheckRow,
  RolloutDecisionRow,
  RolloutEventRow,
  RolloutPlanRow,
  RolloutRow,
  SecretRow,
  TargetingRow,
  TelemetryReportRow,
  TokenRow,
  WebhookDeliveryRow,
  WebhookRow,
];
