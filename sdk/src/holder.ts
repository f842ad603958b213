import { applyChange, createEvaluator, type Change, type Evaluator, type Snapshot } from '@fledge/evaluation';
import { FledgeError } from './error.js';
import { field } from './json.js';
import { isReadable, isSnapshot } from './snapshot.js';

const isChange = (value: unknown): value is Change => typeof field(value, 'version') === 'number';

/** Why `next` may not follow `held`: it is of somewhere else, or older without history having been reset. */
const refusal = (held: Snapshot, next: Snapshot): FledgeError | undefined => {
  if (next.project !== held.project || next.environment !== held.environment) {
    return new FledgeError('foreign', `Got a snapshot of ${next.project}/${next.environment}`);
  }
  return next.version < held.version && !next.reset
    ? new FledgeError('outdated', `Got version ${next.version} after ${held.version}`)
    : undefined;
};

/** Keeps the snapshot in force and rules which other one may replace it. */
export class Holder {
  /** Undefined until there is a first snapshot; from then on replaced, never removed. Written here only. */
  evaluator: Evaluator | undefined;
  /**
   * True once the service vouched for what is held: until then (bootstrap, cache) anything real replaces it, from then
   * on only what follows it does. Written here only.
   */
  real = false;

  get snapshot(): Snapshot | undefined {
    return this.evaluator?.snapshot;
  }

  /** Takes a whole snapshot, real (of the service) or not, or returns why it may not be taken. Throws when it is none. */
  put(next: unknown, real: boolean): FledgeError | undefined {
    if (!isSnapshot(next)) throw new FledgeError('protocol', 'Got something that is no snapshot');
    if (!isReadable(next)) return new FledgeError('format', `Format ${next.format} needs a newer @fledge/sdk`);
    if (this.real && !real) return undefined;
    const held = this.real === real ? this.snapshot : undefined;
    const why = held && refusal(held, next);
    // An old cache, or one of another environment, is no trouble: it is just not taken.
    if (why) return real ? why : undefined;
    if (next.revision === undefined || next.revision !== held?.revision) this.#replace(next, real);
    return undefined;
  }

  /** Moves what is held by one change of the service; false when the change does not begin where we are. */
  patch(change: unknown): boolean {
    const held = this.snapshot;
    const next = held && isChange(change) ? applyChange(held, change) : undefined;
    if (next) this.#replace(next, true);
    return next !== undefined;
  }

  /** Notes that the service takes this revision for the newest; false when something else is held. */
  current(revision: unknown): boolean {
    const held = this.snapshot;
    const fits = held !== undefined && (revision === undefined || revision === held.revision);
    this.real ||= fits;
    return fits;
  }

  #replace(next: Snapshot, real: boolean): void {
    this.evaluator = createEvaluator(next.cohorts ? next : { ...next, cohorts: {} }, this.evaluator);
    this.real = real;
  }
}
