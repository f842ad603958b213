import type { Actor } from './actor.js';
import type { EnvironmentRow } from './entities/environment.entity.js';
import { DomainError } from './errors.js';

type Guarded = Pick<EnvironmentRow, 'key' | 'protected'>;

/**
 * A protected environment changes only with a word why, whichever route the change takes: the log itself asks for it. The service's
 * own decisions carry their reasons elsewhere.
 * @throws DomainError `comment_required`
 */
export function refuseUnexplained(by: Actor, environments: readonly Guarded[]): void {
  if (by.kind === 'service' || (by.comment ?? '').trim() !== '') return;
  const guarded = environments.filter((environment) => environment.protected).map(({ key }) => key);
  if (guarded.length === 0) return;
  const message = `This changes the protected environment ${guarded.join(', ')}; say why.`;
  throw new DomainError('comment_required', message, {
    environments: guarded,
    errors: [{ pointer: '/comment', code: 'missing', message: 'Expected a comment: the environment is protected.' }],
  });
}

/** @throws DomainError `protected`: an admin has to lift the protection first */
export function refuseProtected(environments: readonly Guarded[]): void {
  const guarded = environments.filter((environment) => environment.protected).map(({ key }) => key);
  if (guarded.length === 0) return;
  throw new DomainError(
    'protected',
    `The environment ${guarded.join(', ')} is protected and cannot be deleted; lift its protection first.`,
    { environments: guarded },
  );
}
