import { In } from 'typeorm';
import { isDeepStrictEqual } from 'node:util';
import type { Actor } from '../actor.js';
import { appendChange, type ChangeRecord } from '../change-log.js';
import { iso } from '../documents.js';
import { EnvironmentRow } from '../entities/environment.entity.js';
import type { ProjectRow } from '../entities/project.entity.js';
import { WebhookRow } from '../entities/webhook.entity.js';
import { notFound, refuseProblems } from '../errors.js';
import type { Cause } from '../scope.js';
import { updateRow, type Tx } from '../transaction.js';

/** What can happen to a webhook, in the caller's transaction, which has locked the project: for requests and reverts alike. */

/** A webhook as the API shows it: never with its secret. */
export type WebhookDocument = {
  readonly key: string;
  readonly project: string;
  readonly description: string;
  readonly url: string;
  readonly events: readonly string[];
  /** null: every environment of the project. */
  readonly environments: readonly string[] | null;
  readonly enabled: boolean;
  /** Until when the secret before this one signs as well. */
  readonly oldSecretUntil: string | null;
  readonly version: number;
  readonly createdAt: string;
  readonly updatedAt: string;
};

/** @throws DomainError `not_found` */
export async function findWebhook(tx: Tx, owner: ProjectRow, key: string): Promise<WebhookRow> {
  const row = await tx.findOne(WebhookRow, { where: { projectId: owner.id, key } });
  if (row === null) throw notFound('webhook', key);
  return row;
}

/** The ids of environments of the project; null: all of them. @throws DomainError `invalid`, naming those that are not there */
export async function idsOf(tx: Tx, owner: ProjectRow, keys: readonly string[] | null): Promise<number[] | null> {
  if (keys === null) return null;
  const found = await tx.find(EnvironmentRow, {
    where: { projectId: owner.id, key: In([...keys]) },
    order: { id: 'ASC' },
  });
  const known = new Set(found.map(({ key }) => key));
  refuseProblems(
    keys.flatMap((key, index) =>
      known.has(key)
        ? []
        : [
            {
              pointer: `/environments/${index}`,
              code: 'unknown_environment',
              message: `There is no environment "${key}" in project "${owner.key}".`,
            },
          ],
    ),
  );
  return found.map(({ id }) => id);
}

/** The webhook as the API shows it. */
export async function showWebhook(tx: Tx, owner: ProjectRow, row: WebhookRow): Promise<WebhookDocument> {
  const environments =
    row.environmentIds === null
      ? []
      : await tx.find(EnvironmentRow, { where: { id: In(row.environmentIds) }, order: { id: 'ASC' } });
  return webhookDocument(
    row,
    owner,
    environments.map(({ key }) => key),
  );
}

export const webhookDocument = (
  row: WebhookRow,
  owner: ProjectRow,
  environments: readonly string[],
): WebhookDocument => ({
  key: row.key,
  project: owner.key,
  description: row.description,
  url: row.url,
  events: row.events,
  environments: row.environmentIds === null ? null : environments,
  enabled: row.enabled,
  oldSecretUntil: row.oldSecretUntil === null ? null : iso(row.oldSecretUntil),
  version: row.version,
  createdAt: iso(row.createdAt),
  updatedAt: iso(row.updatedAt),
});

/** Saves an edited webhook; what says the same is no change. */
export async function saveWebhook(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  row: WebhookRow,
  edit: Partial<WebhookRow>,
  { action = 'webhook.updated', reverts }: Cause & { readonly action?: string } = {},
): Promise<WebhookDocument> {
  const before = await showWebhook(tx, owner, row);
  const edited = { ...row, ...edit };
  // A row that was loaded is more than its columns: it is of a class.
  if (isDeepStrictEqual(edited, { ...row })) return before;
  const { id, ...saved } = { ...edited, version: row.version + 1, updatedAt: new Date() };
  await updateRow(tx, WebhookRow, { id }, saved);
  const after = await showWebhook(tx, owner, { id, ...saved });
  const undo: MovedWebhook | undefined =
    edited.url === row.url ? undefined : { url: { before: row.url, after: edited.url } };
  await logWebhook(tx, by, owner, { action, before, after, reverts, undo });
  return after;
}

/** What undoing needs beside the log, which does not hold addresses. */
export type MovedWebhook = { readonly url: { readonly before: string; readonly after: string } };

/** Deletes it with what is still to be sent there. */
export async function deleteWebhook(
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  row: WebhookRow,
  { reverts }: Cause = {},
): Promise<void> {
  const before = await showWebhook(tx, owner, row);
  await logWebhook(tx, by, owner, { action: 'webhook.deleted', before, after: null, reverts });
  await tx.delete(WebhookRow, { id: row.id });
}

/** In the log, which more people read, an address is its origin alone: the path of many is itself a secret. */
const logged = (document: WebhookDocument | null): object | null =>
  document === null ? null : { ...document, url: `${new URL(document.url).origin}/…` };

type Logged = Pick<ChangeRecord, 'action' | 'reverts' | 'undo'> & {
  readonly before: WebhookDocument | null;
  readonly after: WebhookDocument | null;
};

export const logWebhook = (
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  { before, after, ...record }: Logged,
): Promise<string> =>
  appendChange(tx, by, {
    ...record,
    project: owner,
    subject: { type: 'webhook', key: (after ?? before)?.key ?? '' },
    before: logged(before),
    after: logged(after),
  });
