export * from './actor.js';
export { CHANNEL, type SubjectType } from './change-log.js';
export { ChangeFeed, type ChangeFeedOptions, type Hint } from './change-feed.js';
export { ChangeStore, type ChangeDocument, type ChangeQuery } from './changes.js';
export { type MemberBatch, type MemberCounts, type MemberList } from './cohort-members.js';
export { CohortStore, type CohortInput, type Member, type MembersAnswer } from './cohorts.js';
export { createDataSource, type DatabaseOptions } from './data-source.js';
export type * from './documents.js';
export type { Targeting } from './entities/targeting.entity.js';
export type { Role, TokenKind } from './entities/token.entity.js';
export { EnvironmentStore, type EnvironmentEdit, type NewEnvironment } from './environments.js';
export { DomainError, ERRORS, type ErrorCode, type ErrorDetails } from './errors.js';
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
export { SecretStore } from './secrets.js';
export { endSilentConnections } from './silence.js';
export { SnapshotStore, type Missed, type Position } from './snapshots.js';
export { TargetingStore, type FlagState, type TargetingPreview, type TargetingRef } from './targetings.js';
export { hashToken, newTokenText } from './token-text.js';
export {
  TokenStore,
  type CreatedToken,
  type Grant,
  type NewToken,
  type Rotation,
  type TokenDocument,
} from './tokens.js';
