/**
 * What kind of help is needed: `unsupported` (no binaries for this machine), `in-use` (another process holds the data
 * directory), `unreachable` (permissions), `version` (data of another PostgreSQL), `failed` (PostgreSQL itself said no).
 */
export type EmbeddedPostgresProblem = 'unsupported' | 'in-use' | 'unreachable' | 'version' | 'failed';

/** The only error this package throws; its message says what was expected, what came and what a person can do. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(
    readonly problem: EmbeddedPostgresProblem,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}
