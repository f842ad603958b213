import { randomUUID } from 'node:crypto';
import { gatesAhead, type Plan } from '@fledge/canary';
import { In, type DataSource } from 'typeorm';
import { RECONCILER } from '../actor.js';
import { RolloutRow, type GateAnswer } from '../entities/rollout.entity.js';
import { WebhookRow } from '../entities/webhook.entity.js';
import type { Sealer } from '../sealing.js';
import { updateRow, write, type Tx } from '../transaction.js';
import { sealedFor } from '../webhooks/webhooks.js';
import { placeOfRollout } from './find.js';
import { clock, recordEvent } from './step.js';

/** The webhook gates that one rollout waits for: this process's to ask until the lease lapses. */
export type GateQuestion = {
  readonly rollout: string;
  /** The fencing token: an answer under another one comes too late. */
  readonly lease: string;
  /** By their index among the gates ahead. */
  readonly gates: readonly {
    readonly index: number;
    readonly url: string;
    /** The webhook with the same address, whose secret signs the question; undefined: nobody has registered it. */
    readonly webhook: { readonly id: string; readonly secret: Buffer } | undefined;
  }[];
  /** What they are asked. */
  readonly message: object;
};

/** What a gate has answered. */
export type GateSaid = { readonly index: number; readonly open: boolean; readonly detail: string };

/** Longer than asking may take; a process that died gives up its questions after it. */
const LEASE_MS = 90_000;
/** A gate that says no is asked again so much later. */
const AGAIN_MS = 30_000;

/**
 * What asks webhook gates does with the database: claims the rollout that has waited longest, and writes the answers down. In between
 * no transaction is open; what has moved on meanwhile takes no answer.
 */
export class GateAsking {
  constructor(
    private readonly dataSource: DataSource,
    private readonly sealer: Sealer,
  ) {}

  /** undefined when no gate is to be asked. `at` stands in for the database's clock. */
  async claim(at?: Date): Promise<GateQuestion | undefined> {
    return write(this.dataSource, RECONCILER, (tx) => claim(tx, at));
  }

  /** With what the question is to be signed. @throws SealError when a key is missing */
  async secretsOf({ webhook }: GateQuestion['gates'][number]): Promise<readonly string[]> {
    return webhook === undefined ? [] : [await this.sealer.open(webhook.secret, sealedFor(webhook.id))];
  }

  /** Writes down what the gates have said, and wakes who decides when one has opened; false: it comes too late. */
  async answer({ rollout, lease }: GateQuestion, said: readonly GateSaid[], at?: Date): Promise<boolean> {
    return write(this.dataSource, RECONCILER, async (tx) => {
      const row = await tx.findOne(RolloutRow, {
        where: { id: rollout, gateLease: lease },
        lock: { mode: 'pessimistic_write' },
      });
      if (row === null) return false;
      const now = at ?? (await clock(tx));
      const answers = said.map(({ index, ...answer }): [string, GateAnswer] => [
        String(index),
        { ...answer, at: now.toISOString() },
      ]);
      const gates = { ...row.gates, ...Object.fromEntries(answers) };
      const opened = answers.filter(([, { open }]) => open);
      const waits = webhooksAhead(row).some(({ index }) => gates[String(index)]?.open !== true);
      const next = {
        gates,
        gateLease: null,
        gateDueAt: waits ? new Date(now.getTime() + AGAIN_MS) : null,
        ...(opened.length > 0 ? { nextCheckAt: now } : {}),
      };
      await updateRow(tx, RolloutRow, { id: row.id }, next);
      for (const [, { detail }] of opened)
        await recordEvent(
          tx,
          RECONCILER,
          { ...row, ...next },
          { event: 'gate_opened', reason: 'gate_webhook', detail },
          now,
        );
      return true;
    });
  }

  /** Gives the question back: the process is to stop. */
  async release({ rollout, lease }: GateQuestion): Promise<void> {
    await write(this.dataSource, RECONCILER, async (tx) =>
      updateRow(tx, RolloutRow, { id: rollout, gateLease: lease }, { gateLease: null, gateDueAt: await clock(tx) }),
    );
  }
}

const webhooksAhead = ({ plan, stage }: { readonly plan: Plan; readonly stage: number }) =>
  gatesAhead(plan, stage).flatMap((gate, index) => (gate.type === 'webhook' ? [{ index, url: gate.url }] : []));

async function claim(tx: Tx, at: Date | undefined): Promise<GateQuestion | undefined> {
  const found = await tx.query<{ id: string; now: Date }[]>(
    `SELECT id, coalesce($1::timestamptz, clock_timestamp()) AS now FROM rollout
     WHERE gate_due_at <= coalesce($1::timestamptz, clock_timestamp())
        OR gate_due_at > coalesce($1::timestamptz, clock_timestamp()) + interval '5 minutes'
     ORDER BY gate_due_at LIMIT 1 FOR UPDATE SKIP LOCKED`,
    [at ?? null],
  );
  const [due] = found;
  if (due === undefined) return undefined;
  const row = await tx.findOneByOrFail(RolloutRow, { id: due.id });
  const lease = randomUUID();
  await updateRow(
    tx,
    RolloutRow,
    { id: row.id },
    { gateLease: lease, gateDueAt: new Date(due.now.getTime() + LEASE_MS) },
  );
  const gates = webhooksAhead(row).filter(({ index }) => row.gates[String(index)]?.open !== true);
  const listeners = await tx.find(WebhookRow, {
    select: { id: true, url: true, secret: true },
    where: { projectId: row.projectId, enabled: true, url: In(gates.map(({ url }) => url)) },
    order: { id: 'ASC' },
  });
  return {
    rollout: row.id,
    lease,
    gates: gates.map((gate) => ({ ...gate, webhook: listeners.find(({ url }) => url === gate.url) })),
    message: await messageOf(tx, row, due.now),
  };
}

/** What a gate is asked: may this rollout leave this stage? */
async function messageOf(tx: Tx, row: RolloutRow, now: Date): Promise<object> {
  const { owner, environment, flag } = await placeOfRollout(tx, row);
  const { id, externalKey, canary, baseline, planKey, stage, percentage, version } = row;
  return {
    type: 'rollout.gate',
    timestamp: now.toISOString(),
    data: {
      project: owner.key,
      environment: environment.key,
      flag: flag.key,
      rollout: { id, externalKey, canary, baseline, planKey, stage, percentage, version },
      next: row.plan.stages[stage + 1]?.percentage ?? percentage,
    },
  };
}
