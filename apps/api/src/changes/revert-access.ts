import type { ChangeDocument, Grant } from '@fledge/store';
import { RequestError } from '../http/problem.js';

const OF_ADMINS: ReadonlySet<string> = new Set(['project', 'environment', 'token', 'webhook']);

/** Undoing takes what doing takes. The route asks for an editor. @throws RequestError 403 */
export function refuseRevert(grant: Grant, { action, subject, before, after }: ChangeDocument): void {
  // Bringing an environment back to how it stood edits its targeting, and nothing of its own.
  if (!OF_ADMINS.has(subject.type) || action === 'environment.restored' || action === 'environment.imported') return;
  if (grant.role !== 'admin')
    throw new RequestError(
      403,
      'forbidden',
      `Undoing ${action} needs the role admin; the token has the role ${grant.role}.`,
    );
  if (subject.type === 'project' && (before === null || after === null) && grant.project !== null)
    throw new RequestError(403, 'forbidden', `Undoing ${action} needs a token for all projects.`);
}
