export * from './actor.js';
export { CHANNEL, type SubjectType } from './change-log.js';
export { ChangeFeed, type ChangeFeedOptions, type Hint } from './change-feed.js';
export { ChangeStore, type ChangeDocument, type ChangeQuery } from './changes.js';
export { type MemberBatch, type MemberCounts, type MemberList } from './cohort-members.js';
export { CohortStore, type CohortInput, type Member, type MembersAnswer } from './cohorts.js';
export { createDataSource, type DatabaseOptions } from './data-source.js';
export type * from './documents.js';
export type { Targeting } from './entities/targeting.entity.js';
export type { RolloutPhase, RolloutPosition, RolloutState } from './entities/rollout.entity.js';
export type { Role, TokenKind } from './entities/token.entity.js';
export { EnvironmentStore, type EnvironmentEdit, type NewEnvironment } from './environments.js';
export { DomainError, ERRORS, toDomainError, type ErrorCode, type ErrorDetails } from './errors.js';
export type { FlagEdit, NewFlag } from './flag-definition.js';
export { FlagStore, type FlagQuery, type FlagShape } from './flags.js';
export { ExportStore, type ProjectExport } from './exports.js';
export { ImportStore, type Imported } from './imports.js';
export { HistoryStore, type Moment } from './history.js';
export { DEFAULT_LIMITS, type Limits } from './limits.js';
export type { Expected } from './locate.js';
export { cleanUp, probe } from './maintenance.js';
export { migrate, type MigrateOptions } from './migrate.js';
export type { Page, PageQuery } from './page.js';
export { PatternCheck } from './pattern-check.js';
export type { Percentage } from './percentage.js';
export { ProjectStore, type NewProject, type ProjectEdit } from './projects.js';
export { RestoreStore, type RestoredEnvironment } from './restores.js';
export { RevertStore } from './reverts.js';
export type { RolloutCommand } from './rollouts/commands.js';
export type { RolloutDocument } from './rollouts/document.js';
export type { EnvironmentRef, RolloutRef } from './rollouts/find.js';
export { GateAsking, type GateQuestion, type GateSaid } from './rollouts/gate-asking.js';
export { RolloutReconciling, TickFailed } from './rollouts/reconciling.js';
export type { ReadWindows, Ticked } from './rollouts/tick.js';
export type { RolloutCheck, RolloutTick } from './rollouts/ticks.js';
export {
  RolloutHistory,
  type RolloutCourse,
  type RolloutDecision,
  type RolloutVerdict,
} from './rollouts/rollout-history.js';
export type { RolloutEvent } from './rollouts/event.js';
export type { RolloutPlanDocument } from './rollouts/plan-writes.js';
export { RolloutPlanStore, type RolloutPlanInput } from './rollouts/rollout-plans.js';
export { RolloutStore, type RolloutQuery, type StartedRollout, type StartPreview } from './rollouts/rollouts.js';
export type { RolloutRequest } from './rollouts/start.js';
export { RolloutSteering, type NewVerdict } from './rollouts/steering.js';
export type { Keep } from './rollouts/steps.js';
export { SealError, Sealer } from './sealing.js';
export { SecretStore } from './secrets.js';
export { endSilentConnections } from './silence.js';
export { SnapshotStore, type FlagTags, type Missed, type Position, type TaggedSnapshot } from './snapshots.js';
export type { TargetingRef } from './targeting-change.js';
export { TargetingStore, type FlagState, type TargetingPreview } from './targetings.js';
export { cleanUpTelemetry } from './telemetry/clean-up.js';
export {
  ExposureStore,
  type Every,
  type ExposureCount,
  type ExposureWindow,
  type ReceivedExposures,
} from './telemetry/exposures.js';
export { seenOf, type Seen } from './telemetry/instances.js';
export { OutcomeStore, type ReceivedOutcomes, type Recorded } from './telemetry/outcomes.js';
export { READ_AFTER_MS, readWindows } from './telemetry/windows.js';
export { hashToken, newTokenText } from './token-text.js';
export {
  MANAGEMENT_TAGS,
  TokenStore,
  type CreatedToken,
  type Grant,
  type NewToken,
  type Rotation,
  type TokenDocument,
} from './tokens.js';
export { DeliveryStore, type DeliveryDocument, type DeliveryQuery } from './webhooks/deliveries.js';
export {
  delayAfter,
  WebhookDelivering,
  type Attempted,
  type ClaimedDelivery,
  type RetryPlan,
} from './webhooks/delivering.js';
export type { WebhookDocument } from './webhooks/webhook-writes.js';
export {
  USUAL_EVENTS,
  WEBHOOK_EVENTS,
  WebhookStore,
  type WebhookEdit,
  type WebhookWithSecret,
} from './webhooks/webhooks.js';
