import type { Context, Snapshot } from '@fledge/evaluation';
import type { FledgeError } from './error.js';
import type { Answer } from './flags.js';

/** Takes down how one use of a flag went, for the arm that the unit was in when this was made. Never throws. */
export interface Tracker {
  /** It went well, in so many milliseconds if they are given. Of `ok` and `fail` only the first call counts. */
  ok(ms?: number): void;
  /** It failed, after so many milliseconds if they are given. */
  fail(ms?: number): void;
  /** One more yes or no of a guardrail's metric. */
  count(name: string, failed: boolean): void;
  /** One more number of milliseconds of a guardrail's metric. */
  value(name: string, ms: number): void;
}

/** Hears what an application asks and how that went. Nothing here throws, and nothing but `flush` and `close` waits. */
export interface Observer {
  /** A flag was evaluated for the application, with the snapshot in force. */
  evaluated(key: string, context: Context, answer: Answer): void;
  /** Runs a variant's code and measures it; what it answers or throws comes back unchanged. */
  run<Result>(key: string, context: Context, answer: Answer, code: () => Result): Result;
  track(key: string, context: Context, answer: Answer): Tracker;
  /** Resolves when what was heard until now was sent, or could not be. */
  flush(): Promise<void>;
  /** The last flush; nothing is heard any more. */
  close(): Promise<void>;
}

/** Whom to tell of trouble. */
export type Teller = { report(trouble: FledgeError): void };

/** Makes a client's observer, which may take a while: until then `nobody` hears. */
export type Observe = (teller: Teller, snapshot: () => Snapshot | undefined, nobody: Nobody) => Promise<Observer>;

const nothing = (): void => undefined;

/** A tracker for what nobody watches. */
export const nowhere: Tracker = { ok: nothing, fail: nothing, count: nothing, value: nothing };

/** Nobody listens, or not yet: everything works, and only how many evaluations were missed is counted. */
export class Nobody implements Observer {
  missed = 0;

  evaluated(): void {
    this.missed++;
  }

  run<Result>(_key: string, _context: Context, _answer: Answer, code: () => Result): Result {
    return code();
  }

  track(): Tracker {
    return nowhere;
  }

  async flush(): Promise<void> {}

  async close(): Promise<void> {}
}
