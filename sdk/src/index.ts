export type { ClientEvents, FledgeClient, Status } from './client.js';
export { createClient } from './create-client.js';
export { FledgeError, type ErrorKind } from './error.js';
export type { Answer, EvaluationDetails, FledgeFlags, FlagKey, FlagValue } from './flags.js';
export type { Tracker } from './observer.js';
export type {
  ClientOptions,
  CommonOptions,
  Fetch,
  FixedOptions,
  Logger,
  ReportOptions,
  ServiceOptions,
  SnapshotCache,
} from './options.js';
export type { Context, EvaluationMetadata, JsonValue, Reason, Snapshot } from '@fledge/evaluation';
