import { DEFAULT_DOCUMENT_LIMITS, type DocumentLimits } from '@fledge/evaluation';
import { DomainError } from './errors.js';

/** How much of everything there may be. Named in every refusal. */
export type Limits = DocumentLimits & {
  readonly flagsPerProject: number;
  readonly cohortsPerProject: number;
  readonly environmentsPerProject: number;
  readonly webhooksPerProject: number;
};

export const DEFAULT_LIMITS: Limits = {
  ...DEFAULT_DOCUMENT_LIMITS,
  flagsPerProject: 10_000,
  cohortsPerProject: 1_000,
  environmentsPerProject: 100,
  webhooksPerProject: 20,
};

/** @throws DomainError `limit_reached` when `count` more of `name` would be too many. */
export function refuseBeyond(limits: Limits, name: keyof Limits, current: number): void {
  if (current < limits[name]) return;
  throw new DomainError('limit_reached', `The limit ${name} is ${limits[name]}, and there are ${current} already.`, {
    limit: name,
    maximum: limits[name],
  });
}
