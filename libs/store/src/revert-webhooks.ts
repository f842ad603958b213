import { hasRemains, logged, refuseLater, remainsFor, scopeOf, type Undoing } from './undoing.js';
import { undone } from './undo.js';
import {
  deleteWebhook,
  findWebhook,
  idsOf,
  saveWebhook,
  showWebhook,
  type MovedWebhook,
  type WebhookDocument,
} from './webhooks/webhook-writes.js';

/** Undoes that a webhook was made or edited. Its secret is never brought back. */
export async function undoWebhook(undoing: Undoing): Promise<void> {
  const { tx, by, change } = undoing;
  const cause = { reverts: change.id };
  const { owner } = await scopeOf(undoing);
  const row = await findWebhook(tx, owner, change.subjectKey);
  if (change.before === null) {
    await refuseLater(undoing);
    await deleteWebhook(tx, by, owner, row, cause);
    return;
  }
  const current = await showWebhook(tx, owner, row);
  // The log holds no addresses: where one was changed they are kept beside it.
  const { before, after } = (await hasRemains(undoing))
    ? (await remainsFor<MovedWebhook>(undoing)).url
    : { before: current.url, after: current.url };
  const { description, url, events, environments, enabled } = undone<WebhookDocument>(
    { ...logged<WebhookDocument>(change.before), url: before },
    { ...logged<WebhookDocument>(change.after), url: after },
    current,
  );
  const environmentIds = await idsOf(tx, owner, environments);
  await saveWebhook(tx, by, owner, row, { description, url, events: [...events], environmentIds, enabled }, cause);
}
