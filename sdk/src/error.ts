import { field } from './json.js';

/** The kinds of trouble a client can meet. Each is reported once, and again only after the client was `ready` in between. */
export type ErrorKind =
  /** The service could not be reached, or a connection broke or fell silent. */
  | 'network'
  /** The service answered 401 or 403: the SDK key is not (or no longer) good. */
  | 'refused'
  /** The service answered with a status nobody expected, 404 and 503 among them. */
  | 'status'
  /** The service said something that could not be understood. */
  | 'protocol'
  /** The snapshot is written in a newer format than this SDK reads. */
  | 'format'
  /** The snapshot is of another project or environment than the one in force. */
  | 'foreign'
  /** The snapshot is older than the one in force. */
  | 'outdated'
  /** The cache failed to load or to save. */
  | 'cache'
  /** Counts could not be reported to the service, or had to be dropped. */
  | 'report'
  /** A listener of the application threw. */
  | 'listener'
  /** No snapshot was held before the time given to `ready` was over. */
  | 'timeout'
  /** The client was closed. */
  | 'closed';

/** Trouble of the SDK: handed to `onError`, the logger and `error` listeners, and what `ready` rejects with. Its message never holds the SDK key. */
export class FledgeError extends Error {
  override readonly name = 'FledgeError';

  constructor(
    readonly kind: ErrorKind,
    message: string,
    cause?: unknown,
    /** How long the service asked to be left alone, in milliseconds. */
    readonly retryAfterMs = 0,
  ) {
    super(message, { cause });
  }

  /** Anything thrown as trouble of the given kind; a FledgeError stays what it is. */
  static from(cause: unknown, kind: ErrorKind, message: string): FledgeError {
    if (cause instanceof FledgeError) return cause;
    const [reason, deeper] = [cause, field(cause, 'cause')].map((each) => (each instanceof Error ? each.message : ''));
    return new FledgeError(kind, [message, reason, deeper].filter(Boolean).join(': '), cause);
  }
}
