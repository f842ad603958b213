import type { RolloutRow } from '../entities/rollout.entity.js';
import type { RolloutEvent } from '../rollouts/event.js';
import type { Tx } from '../transaction.js';

/** What is sent of a rollout: the event, and enough to know which rollout it is without asking. */
type RolloutMessage = {
  readonly type: `rollout.${RolloutEvent['type']}`;
  readonly timestamp: string;
  readonly data: {
    readonly project: string;
    readonly environment: string;
    readonly flag: string;
    readonly rollout: Pick<
      RolloutRow,
      'id' | 'externalKey' | 'canary' | 'baseline' | 'planKey' | 'reasons' | 'retryOf' | 'version'
    >;
    readonly event: RolloutEvent;
  };
};

type Listener = {
  readonly id: string;
  readonly project: string;
  readonly environment: string;
  readonly flag: string;
};

/**
 * Writes down what is to be sent of an event, in the transaction of the event itself: nothing is told that did not happen, and
 * nothing that happened is left untold. One row per webhook that asks for such events.
 */
export async function announce(tx: Tx, rollout: RolloutRow, event: RolloutEvent): Promise<void> {
  const type = `rollout.${event.type}` as const;
  // Held against a deletion at the same moment, which would otherwise fail the event itself.
  const listeners = await tx.query<Listener[]>(
    `SELECT webhook.id, project.key AS project, environment.key AS environment, flag.key AS flag
     FROM webhook JOIN project ON project.id = webhook.project_id
     JOIN environment ON environment.id = $2 JOIN flag ON flag.id = $3
     WHERE webhook.project_id = $1 AND webhook.enabled AND $4 = ANY (webhook.events)
       AND (webhook.environment_ids IS NULL OR $2 = ANY (webhook.environment_ids))
     ORDER BY webhook.id FOR KEY SHARE OF webhook`,
    [rollout.projectId, rollout.environmentId, rollout.flagId, type],
  );
  const [first] = listeners;
  if (first === undefined) return;
  const message: RolloutMessage = {
    type,
    timestamp: event.at,
    data: {
      project: first.project,
      environment: first.environment,
      flag: first.flag,
      rollout: summaryOf(rollout),
      event,
    },
  };
  const ids = listeners.map(({ id }) => id);
  await enqueue(tx, ids, type, message);
}

/** Messages that wait to be sent from now on; one for each webhook, with an id of its own. Answers the ids. */
export async function enqueue(tx: Tx, webhooks: readonly string[], event: string, message: object): Promise<string[]> {
  const rows = await tx.query<{ id: string }[]>(
    `INSERT INTO webhook_delivery (webhook_id, event, body) SELECT id, $2, $3 FROM unnest($1::uuid[]) AS id RETURNING id`,
    [webhooks, event, JSON.stringify(message)],
  );
  return rows.map(({ id }) => id);
}

const summaryOf = ({
  id,
  externalKey,
  canary,
  baseline,
  planKey,
  reasons,
  retryOf,
  version,
}: RolloutRow): RolloutMessage['data']['rollout'] => ({
  id,
  externalKey,
  canary,
  baseline,
  planKey,
  reasons,
  retryOf,
  version,
});
