import type { Answer } from './flags.js';

/** An answer that leaves the value to the caller, with the reason why. */
export const failed = (errorCode: NonNullable<Answer['errorCode']>, errorMessage: string): Answer => ({
  reason: 'ERROR',
  errorCode,
  errorMessage,
  metadata: Object.freeze({}),
});

/** What is answered before the first snapshot. */
export const NOT_READY = failed('PROVIDER_NOT_READY', 'No snapshot was received yet');
