import { DomainError, SERVICE } from '@fledge/store';
import type { Stores } from '../runtime.js';
import type { Secrets } from './secrets.js';

const FIRST_PROJECT = 'default';
export const FIRST_ENVIRONMENTS = ['development', 'production'];

/**
 * Makes what an embedded installation begins with: a project, two environments and the tokens of secrets.json. Every step may
 * find that a start before it got that far, and none brings back what somebody has deleted or revoked since.
 */
export async function firstStart(stores: Stores, secrets: Secrets): Promise<void> {
  const before = await stores.changes.list({ limit: 1 });
  if (before.items.length === 0)
    await stores.projects.create(SERVICE, { key: FIRST_PROJECT, name: 'Default' }, FIRST_ENVIRONMENTS);
  await stores.tokens.ensure(SERVICE, { name: 'first admin', kind: 'management', role: 'admin' }, secrets.adminToken);
  for (const [environment, text] of Object.entries(secrets.sdkKeys)) {
    await stores.tokens
      .ensure(
        SERVICE,
        { name: `first key of ${environment}`, kind: 'sdk', project: FIRST_PROJECT, environments: [environment] },
        text,
      )
      .catch(ignoreGone);
  }
}

/** The project or environment was deleted meanwhile: then its key has nothing to open. */
function ignoreGone(error: unknown): void {
  if (!(error instanceof DomainError) || error.code !== 'invalid') throw error;
}
