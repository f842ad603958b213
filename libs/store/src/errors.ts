import type { Problem } from '@fledge/evaluation';

/**
 * The catalogue of everything a store can refuse, each with the HTTP status it maps to.
 * The code is part of the contract: clients branch on it, never on the message.
 */
export const ERRORS = {
  invalid: { status: 422, title: 'The document is not valid' },
  bad_request: { status: 400, title: 'The request is malformed' },
  not_found: { status: 404, title: 'Not found' },
  key_taken: { status: 409, title: 'The key is taken' },
  referenced: { status: 409, title: 'Still in use' },
  archived: { status: 409, title: 'The flag is archived' },
  not_archived: { status: 409, title: 'The flag is not archived' },
  protected: { status: 409, title: 'The environment is protected' },
  comment_required: { status: 422, title: 'A comment is required' },
  revert_conflict: { status: 409, title: 'Later changes are in the way' },
  not_revertable: { status: 409, title: 'The change cannot be reverted' },
  token_ended: { status: 409, title: 'The token is no longer valid' },
  rollout_live: { status: 409, title: 'A rollout of this flag is live' },
  illegal_transition: { status: 409, title: 'The rollout is not in a state for this' },
  flag_disabled: { status: 409, title: 'The flag is disabled' },
  four_eyes: { status: 409, title: 'Somebody else has to approve' },
  guardrail_failed: { status: 409, title: 'A guardrail is at its limit' },
  approval_missing: { status: 409, title: 'An approval is missing' },
  moves_others: { status: 409, title: 'Others than the canary would change variant' },
  rollback_moves: { status: 409, title: 'A rollback would not lead back to the baseline' },
  shared_salt: { status: 409, title: 'Another live rollout draws with the same salt' },
  limit_reached: { status: 422, title: 'A limit is reached' },
  version_missing: { status: 428, title: 'A version is required' },
  version_stale: { status: 412, title: 'The document has changed meanwhile' },
  version_contradiction: { status: 400, title: 'If-Match and version differ' },
  confirmation_missing: { status: 400, title: 'Confirmation is required' },
  idempotency_running: { status: 409, title: 'The same request is still running' },
  idempotency_mismatch: { status: 422, title: 'The Idempotency-Key was used for another body' },
  busy: { status: 503, title: 'The document is busy' },
  database_unavailable: { status: 503, title: 'The database cannot be reached' },
} as const;

export type ErrorCode = keyof typeof ERRORS;

export type ErrorDetails = {
  readonly errors?: readonly Problem[];
  readonly [name: string]: unknown;
};

/** What a store refuses and why: `message` says what was expected, what came and what to do. */
export class DomainError extends Error {
  readonly code: ErrorCode;
  readonly details: ErrorDetails;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}, options: { cause?: unknown } = {}) {
    super(message, options);
    this.name = 'DomainError';
    this.code = code;
    this.details = details;
  }
}

export const notFound = (what: string, key: string): DomainError =>
  new DomainError('not_found', `There is no ${what} "${key}".`);

/** @throws DomainError `invalid` when there is any problem; every problem is in its details. */
export function refuseProblems(problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const first = problems[0]?.message ?? '';
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more)` : '';
  throw new DomainError('invalid', `${first}${more}`, { errors: problems });
}

const CONNECTION_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EAI_AGAIN',
  '57P01',
  '57P02',
  '57P03',
  '53300',
  '08000',
  '08001',
  '08003',
  '08004',
  '08006',
  '25006',
]);

/** The SQLSTATE or system error code behind an error of TypeORM or pg. */
function databaseCode(error: unknown): string | undefined {
  for (let current: unknown = error, depth = 0; current instanceof Error && depth < 4; depth += 1) {
    if ('code' in current && typeof current.code === 'string') return current.code;
    current = 'driverError' in current ? current.driverError : current.cause;
  }
  return undefined;
}

/** A write that lost a race may simply be tried again: of locks, or with who removed what it had just looked up, so that it is not found next time. */
export const isRetryable = (error: unknown): boolean => {
  const code = databaseCode(error);
  return code === '40001' || code === '40P01' || code === '23503';
};

/** Whether the database, not the request, is at fault: unreachable, starting, shutting down or out of connections. */
function isUnavailable(error: unknown): boolean {
  const code = databaseCode(error);
  if (code !== undefined && CONNECTION_CODES.has(code)) return true;
  return (
    error instanceof Error &&
    // TypeORM takes the runner away from a transaction whose connection breaks between two of its queries.
    /already released|Connection terminated|timeout exceeded when trying to connect|timeout expired|Client has encountered a connection error|not queryable|Driver not Connected|connection is closed/i.test(
      error.message,
    )
  );
}

/** Translates what Postgres reports into the catalogue; anything else passes through unchanged. */
export function toDomainError(error: unknown): unknown {
  if (error instanceof DomainError) return error;
  const code = databaseCode(error);
  if (code === '55P03' || code === '57014' || code === '40001' || code === '40P01') {
    return new DomainError(
      'busy',
      'Another write holds the document; try again in a moment.',
      { retryAfter: 1 },
      { cause: error },
    );
  }
  // A text that looks like an instant but names none, such as 30 February in a cursor.
  if (code === '22007' || code === '22008') {
    return new DomainError('bad_request', 'The request names an instant that does not exist.', {}, { cause: error });
  }
  if (isUnavailable(error)) {
    return new DomainError(
      'database_unavailable',
      'The database cannot be reached; try again in a moment.',
      { retryAfter: 2 },
      { cause: error },
    );
  }
  return error;
}

/** Whether a unique index or constraint of one of these names stood in the way. */
export function isViolated(error: unknown, constraints: readonly string[]): boolean {
  if (databaseCode(error) !== '23505') return false;
  const driver = error instanceof Error && 'driverError' in error ? error.driverError : error;
  const name = typeof driver === 'object' && driver !== null && 'constraint' in driver ? driver.constraint : undefined;
  return constraints.some((constraint) => constraint === name);
}

/** Turns the violation of a key's uniqueness into the refusal that names it; anything else passes through. */
export function keyTaken(error: unknown, what: string, key: string): unknown {
  if (databaseCode(error) !== '23505') return error;
  return new DomainError(
    'key_taken',
    `There is a ${what} "${key}" already (keys are unique regardless of case).`,
    { errors: [{ pointer: '/key', code: 'key_taken', message: `Expected a key that no ${what} has.` }] },
    { cause: error },
  );
}
