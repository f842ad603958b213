import type { JsonValue } from './context.js';

/** OpenFeature's words for why a variant was chosen. */
export type Reason = 'STATIC' | 'TARGETING_MATCH' | 'SPLIT' | 'DEFAULT' | 'DISABLED' | 'ERROR';

export type ErrorCode = 'FLAG_NOT_FOUND' | 'PARSE_ERROR' | 'TYPE_MISMATCH';

/** The flag's own metadata, overlaid by what evaluation has to say. */
export type EvaluationMetadata = {
  readonly [name: string]: string | number | boolean | undefined;
};

/** The answer for one flag and one context. Without `value` the caller's default is meant. */
export type Evaluation = {
  readonly value?: JsonValue;
  readonly variant?: string;
  readonly reason: Reason;
  readonly errorCode?: ErrorCode;
  readonly errorMessage?: string;
  readonly metadata: EvaluationMetadata;
};
