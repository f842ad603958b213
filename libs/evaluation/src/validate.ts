import type { DocumentLimits, Validation } from './problem.js';
import type { Snapshot } from './snapshot.js';

type Surroundings = Pick<Snapshot, 'flags' | 'cohorts'>;
type Check = (pattern: string) => string | undefined;
const nothing: Validation = { problems: [], warnings: [] };

// PLACEHOLDER until the validators land; never committed.
export const validateFlag = (_flag: unknown, _s: Surroundings, _l?: DocumentLimits, _c?: Check): Validation => nothing;
export const validateCohort = (_c: unknown, _s: Surroundings, _l?: DocumentLimits, _p?: Check): Validation => nothing;
export const validateDefinition = (_d: unknown, _l?: DocumentLimits): Validation => nothing;
