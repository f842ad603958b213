import { setTimeout as sleep } from 'node:timers/promises';
import type { DataSource, EntityManager, EntityTarget, ObjectLiteral } from 'typeorm';
import type { Actor, Idempotency } from './actor.js';
import { DomainError, isRetryable, toDomainError } from './errors.js';

/** A transaction that is open. Helpers take it as a parameter, so that none of them can escape it. */
export type Tx = EntityManager;

/** Updates the one row that `where` names. TypeORM's own types give up on documents that may hold any JSON. */
export async function updateRow<T extends ObjectLiteral>(
  tx: Tx,
  entity: EntityTarget<T>,
  where: Partial<T>,
  values: Partial<T>,
): Promise<void> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the signature above is the narrower one
  const untyped = values as Parameters<Tx['update']>[2];
  await tx.update(entity, where, untyped);
}

/** Inserts one row; the types give up likewise. */
export async function insertRow<T extends ObjectLiteral>(
  tx: Tx,
  entity: EntityTarget<T>,
  row: Partial<T>,
): Promise<void> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the signature above is the narrower one
  const untyped = row as Parameters<Tx['insert']>[1];
  await tx.insert(entity, untyped);
}

/** A view of the database at one moment, never changed by others while it is read. */
export async function readConsistently<T>(dataSource: DataSource, work: (tx: Tx) => Promise<T>): Promise<T> {
  return translated(() => dataSource.transaction('REPEATABLE READ', work));
}

/** A read outside any transaction, with the database's trouble translated. */
export async function read<T>(work: () => Promise<T>): Promise<T> {
  return translated(work);
}

const ATTEMPTS = 3;

/** What was looked at before a lock was had is no longer so: the whole transaction is to be done again. */
export class TryAgain extends DomainError {
  constructor(message: string) {
    super('busy', `${message} Try again in a moment.`, { retryAfter: 1 });
  }
}

/**
 * One write: everything `work` does becomes durable together, or nothing does. A deadlock, a serialisation failure and
 * `TryAgain` are tried again; locks are waited for 5 s at most, and a statement for 12 s, less than after which a silent connection is given up. With an Idempotency-Key the answer is stored in the same transaction, without what
 * `withoutSecrets` removes, and an equal request gets it again instead of writing twice.
 */
export async function write<T>(
  dataSource: DataSource,
  by: Actor,
  work: (tx: Tx) => Promise<T>,
  withoutSecrets: (answer: T) => unknown = (answer) => answer,
): Promise<T> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await translated(() =>
        dataSource.transaction(async (tx) => {
          await tx.query(`SELECT set_config('lock_timeout', '5s', true), set_config('statement_timeout', '12s', true)`);
          return by.idempotency === undefined ? work(tx) : once(tx, by.id, by.idempotency, work, withoutSecrets);
        }),
      );
    } catch (error) {
      const cause = error instanceof DomainError ? error.cause : error;
      if (attempt >= ATTEMPTS || !(error instanceof TryAgain || isRetryable(cause))) throw error;
      await sleep(attempt * 20);
    }
  }
}

/** What a write would answer, refusals included: it is done and taken back. Nothing is stored, nobody is told. */
export async function rehearse<T>(dataSource: DataSource, by: Actor, work: (tx: Tx) => Promise<T>): Promise<T> {
  const answers: T[] = [];
  const takenBack = new Error('Taken back.');
  await write(dataSource, { ...by, idempotency: undefined }, async (tx) => {
    answers.push(await work(tx));
    throw takenBack;
  }).catch((error: unknown) => {
    if (error !== takenBack) throw error;
  });
  const [answer] = answers.slice(-1);
  if (answer === undefined) throw new Error('A rehearsal gave no answer.');
  return answer;
}

async function once<T>(
  tx: Tx,
  tokenId: string,
  idempotency: Idempotency,
  work: (tx: Tx) => Promise<T>,
  withoutSecrets: (answer: T) => unknown,
): Promise<T> {
  const { key, method, path, bodyHash, onReplay } = idempotency;
  const place = [tokenId, method, path, key];
  const lock = await tx.query<{ held: boolean }[]>(
    'SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS held',
    [JSON.stringify(place)],
  );
  if (lock[0]?.held !== true) {
    throw new DomainError(
      'idempotency_running',
      'A request with this Idempotency-Key is still running; ask again in a moment.',
    );
  }
  const earlier = await tx.query<{ bodyHash: Buffer; answer: T }[]>(
    `SELECT body_hash AS "bodyHash", answer FROM idempotency
     WHERE token_id = $1 AND method = $2 AND path = $3 AND key = $4 AND created_at > now() - interval '24 hours'`,
    place,
  );
  const [stored] = earlier;
  if (stored !== undefined) {
    if (!stored.bodyHash.equals(bodyHash)) {
      throw new DomainError(
        'idempotency_mismatch',
        'This Idempotency-Key was used with another body; use a new key for a new request.',
      );
    }
    onReplay();
    return stored.answer;
  }
  const answer = await work(tx);
  await tx.query(
    `INSERT INTO idempotency (token_id, method, path, key, body_hash, answer) VALUES ($1, $2, $3, $4, $5, $6)
     ON CONFLICT ON CONSTRAINT idempotency_pkey
     DO UPDATE SET body_hash = excluded.body_hash, answer = excluded.answer, created_at = now()`,
    [...place, bodyHash, JSON.stringify(withoutSecrets(answer) ?? null)],
  );
  return answer;
}

async function translated<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw toDomainError(error);
  }
}
