import { randomBytes, randomUUID } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { In, type DataSource } from 'typeorm';
import type { Actor } from '../actor.js';
import { appendChange } from '../change-log.js';
import { iso } from '../documents.js';
import { EnvironmentRow } from '../entities/environment.entity.js';
import type { ProjectRow } from '../entities/project.entity.js';
import { WebhookRow } from '../entities/webhook.entity.js';
import { keyTaken, notFound, refuseProblems } from '../errors.js';
import { DEFAULT_LIMITS, refuseBeyond, type Limits } from '../limits.js';
import { findProject, refuseStale, type Expected } from '../locate.js';
import { slice, toPage, type Page, type PageQuery } from '../page.js';
import { ROLLOUT_EVENTS } from '../rollouts/step.js';
import type { Sealer } from '../sealing.js';
import { insertRow, read, updateRow, write, type Tx } from '../transaction.js';

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
      return show(manager, owner, await findWebhook(manager, owner, key));
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
        const after = await show(tx, owner, row);
        await log(tx, by, owner, 'webhook.created', null, after);
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
      await log(tx, by, owner, 'webhook.deleted', await show(tx, owner, row), null);
      await tx.delete(WebhookRow, { id: row.id });
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
  const before = await show(tx, owner, row);
  const edited = { ...row, ...(await edit(tx, owner, row)) };
  if (isDeepStrictEqual(edited, row)) return before;
  const { id, ...saved } = { ...edited, version: row.version + 1, updatedAt: new Date() };
  await updateRow(tx, WebhookRow, { id }, saved);
  const after = await show(tx, owner, { id, ...saved });
  await log(tx, by, owner, action, before, after);
  return after;
}

const withoutSecret = ({ secret: _, ...document }: WebhookWithSecret): WebhookDocument => document;

/** @throws DomainError `not_found` */
export async function findWebhook(tx: Tx, owner: ProjectRow, key: string): Promise<WebhookRow> {
  const row = await tx.findOne(WebhookRow, { where: { projectId: owner.id, key } });
  if (row === null) throw notFound('webhook', key);
  return row;
}

async function idsOf(tx: Tx, owner: ProjectRow, keys: readonly string[] | null): Promise<number[] | null> {
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

async function show(tx: Tx, owner: ProjectRow, row: WebhookRow): Promise<WebhookDocument> {
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

const webhookDocument = (row: WebhookRow, owner: ProjectRow, environments: readonly string[]): WebhookDocument => ({
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

/** In the log, which more people read, an address is its origin alone: the path of many is itself a secret. */
const logged = (document: WebhookDocument | null): object | null =>
  document === null ? null : { ...document, url: `${new URL(document.url).origin}/…` };

const log = (
  tx: Tx,
  by: Actor,
  owner: ProjectRow,
  action: string,
  before: WebhookDocument | null,
  after: WebhookDocument | null,
): Promise<string> =>
  appendChange(tx, by, {
    action,
    project: owner,
    subject: { type: 'webhook', key: (after ?? before)?.key ?? '' },
    before: logged(before),
    after: logged(after),
  });
