import { randomBytes, randomUUID } from 'node:crypto';
import type { DataSource } from 'typeorm';
import type { Actor } from '../actor.js';
import type { ProjectRow } from '../entities/project.entity.js';
import { WebhookRow } from '../entities/webhook.entity.js';
import { keyTaken, notFound } from '../errors.js';
import { DEFAULT_LIMITS, refuseBeyond, type Limits } from '../limits.js';
import { findProject, refuseStale, type Expected } from '../locate.js';
import { slice, toPage, type Page, type PageQuery } from '../page.js';
import { ROLLOUT_EVENTS } from '../rollouts/step.js';
import type { Sealer } from '../sealing.js';
import { insertRow, read, write, type Tx } from '../transaction.js';
import {
  deleteWebhook,
  findWebhook,
  idsOf,
  logWebhook,
  saveWebhook,
  showWebhook,
  webhookDocument,
  type WebhookDocument,
} from './webhook-writes.js';

/** Everything a webhook can ask to be told of. */
export const WEBHOOK_EVENTS: readonly string[] = ROLLOUT_EVENTS.map((event) => `rollout.${event}`);

/** What somebody wants to know who asks for nothing in particular. */
export const USUAL_EVENTS: readonly string[] = [
  'rollout.held',
  'rollout.inconclusive',
  'rollout.awaiting_approval',
  'rollout.completed',
  'rollout.rolled_back',
];

/** The answer to making or rotating one: the only time the secret is seen. A replayed request gets it without. */
export type WebhookWithSecret = WebhookDocument & { readonly secret?: string };

/** What may be said of a webhook; what is left out stays, or is the default. */
export type WebhookEdit = {
  readonly description?: string | undefined;
  readonly url?: string | undefined;
  readonly events?: readonly string[] | undefined;
  readonly environments?: readonly string[] | null | undefined;
  readonly enabled?: boolean | undefined;
};

const SORTS = {
  key: { expression: 'webhook.key', type: 'text' },
  updatedAt: { expression: 'webhook.updated_at', type: 'timestamptz' },
} as const;

/** As Standard Webhooks has it: a prefix by which scanners know it, and 24 to 64 random bytes in base64. */
const newSecret = (): string => `whsec_${randomBytes(32).toString('base64')}`;

/** What the secrets of a webhook are sealed for. */
export const sealedFor = (id: string): string => `webhook ${id}`;

/** The addresses of a project that are told of its rollouts. */
export class WebhookStore {
  constructor(
    private readonly dataSource: DataSource,
    private readonly sealer: Sealer,
    private readonly limits: Limits = DEFAULT_LIMITS,
  ) {}

  async list(project: string, query: PageQuery): Promise<Page<WebhookDocument>> {
    const part = slice(query, SORTS, 'key', { expression: 'webhook.id', type: 'uuid' }, 3);
    return read(async () => {
      const owner = await findProject(this.dataSource.manager, project);
      const rows = await this.dataSource.query<(WebhookRow & { keys: string[] | null; cursorValue: string })[]>(
        `SELECT id, key, description, url, events, environment_ids AS "environmentIds", enabled, old_secret_until AS "oldSecretUntil", version,
                created_at AS "createdAt", updated_at AS "updatedAt", ${part.cursorValue} AS "cursorValue",
                (SELECT array_agg(environment.key ORDER BY environment.id) FROM environment
                 WHERE environment.id = ANY (webhook.environment_ids)) AS keys
         FROM webhook WHERE project_id = $1 AND ${part.where} ORDER BY ${part.orderBy} LIMIT $2`,
        [owner.id, query.limit + 1, ...part.parameters],
      );
      return toPage(rows, query.limit, part.sort, (row) => webhookDocument(row, owner, row.keys ?? []));
    });
  }

  async get(project: string, key: string): Promise<WebhookDocument> {
    return read(async () => {
      const { manager } = this.dataSource;
      const owner = await findProject(manager, project);
      return showWebhook(manager, owner, await findWebhook(manager, owner, key));
    });
  }

  /** @throws DomainError `key_taken`, `invalid` for an environment that is not there, `limit_reached` */
  async create(
    by: Actor,
    project: string,
    { key, url, ...more }: WebhookEdit & { readonly key: string; readonly url: string },
  ): Promise<WebhookWithSecret> {
    const id = randomUUID();
    const secret = newSecret();
    const sealed = await this.sealer.seal(secret, sealedFor(id));
    return write(
      this.dataSource,
      by,
      async (tx) => {
        const owner = await findProject(tx, project, true);
        refuseBeyond(this.limits, 'webhooksPerProject', await tx.count(WebhookRow, { where: { projectId: owner.id } }));
        const now = new Date();
        const row: WebhookRow = {
          id,
          projectId: owner.id,
          key,
          description: more.description ?? '',
          url,
          events: [...(more.events ?? USUAL_EVENTS)],
          environmentIds: await idsOf(tx, owner, more.environments ?? null),
          enabled: more.enabled ?? true,
          secret: sealed,
          oldSecret: null,
          oldSecretUntil: null,
          version: 1,
          createdAt: now,
          updatedAt: now,
        };
        try {
          await insertRow(tx, WebhookRow, row);
        } catch (error) {
          throw keyTaken(error, 'webhook', key);
        }
        const after = await showWebhook(tx, owner, row);
        await logWebhook(tx, by, owner, { action: 'webhook.created', before: null, after });
        return { ...after, secret };
      },
      withoutSecret,
    );
  }

  async update(
    by: Actor,
    project: string,
    key: string,
    edit: WebhookEdit,
    expected?: Expected,
  ): Promise<WebhookDocument> {
    return this.#change(by, project, key, 'webhook.updated', expected, async (tx, owner, row) => ({
      description: edit.description ?? row.description,
      url: edit.url ?? row.url,
      events: edit.events === undefined ? row.events : [...edit.events],
      environmentIds: edit.environments === undefined ? row.environmentIds : await idsOf(tx, owner, edit.environments),
      enabled: edit.enabled ?? row.enabled,
    }));
  }

  /** Draws another secret; for `graceMs` what is sent carries both signatures, so that receivers change over in their own time. */
  async rotate(
    by: Actor,
    project: string,
    key: string,
    graceMs: number,
    expected?: Expected,
  ): Promise<WebhookWithSecret> {
    const secret = newSecret();
    const { id } = await read(async () => {
      const { manager } = this.dataSource;
      return findWebhook(manager, await findProject(manager, project), key);
    });
    const sealed = await this.sealer.seal(secret, sealedFor(id));
    return write(
      this.dataSource,
      by,
      async (tx) => {
        const document = await change(tx, by, project, key, 'webhook.rotated', expected, async (_tx, _owner, row) => {
          // Made anew meanwhile: what was sealed for the other one does not open here.
          if (row.id !== id) throw notFound('webhook', key);
          const grace = graceMs > 0;
          return {
            secret: sealed,
            oldSecret: grace ? row.secret : null,
            oldSecretUntil: grace ? new Date(Date.now() + graceMs) : null,
          };
        });
        return { ...document, secret };
      },
      withoutSecret,
    );
  }

  /** Deletes it with what is still to be sent there. */
  async delete(by: Actor, project: string, key: string, expected?: Expected): Promise<void> {
    await write(this.dataSource, by, async (tx) => {
      const owner = await findProject(tx, project, true);
      const row = await findWebhook(tx, owner, key);
      refuseStale(row.version, expected);
      await deleteWebhook(tx, by, owner, row);
    });
  }

  async #change(
    by: Actor,
    project: string,
    key: string,
    action: string,
    expected: Expected,
    edit: Edit,
  ): Promise<WebhookDocument> {
    return write(this.dataSource, by, (tx) => change(tx, by, project, key, action, expected, edit));
  }
}

const withoutSecret = ({ secret: _, ...document }: WebhookWithSecret): WebhookDocument => document;

type Edit = (tx: Tx, owner: ProjectRow, row: WebhookRow) => Promise<Partial<WebhookRow>>;

async function change(
  tx: Tx,
  by: Actor,
  project: string,
  key: string,
  action: string,
  expected: Expected,
  edit: Edit,
): Promise<WebhookDocument> {
  const owner = await findProject(tx, project, true);
  const row = await findWebhook(tx, owner, key);
  refuseStale(row.version, expected);
  return saveWebhook(tx, by, owner, row, await edit(tx, owner, row), { action });
}
