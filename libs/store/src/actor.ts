/** Who writes, on whose request, and why: every write carries one, and it goes into the change log. */
export type Actor = {
  /** The token's id, a person's at their provider, or a fixed name for the service itself. */
  readonly id: string;
  readonly name: string;
  readonly kind: 'token' | 'person' | 'environment' | 'service';
  readonly requestId?: string | undefined;
  readonly comment?: string | undefined;
  readonly idempotency?: Idempotency | undefined;
};

/** Who, as logs keep it. */
export type ActorName = Pick<Actor, 'id' | 'name' | 'kind'>;

/** A client's promise that equal requests are one request. */
export type Idempotency = {
  readonly key: string;
  readonly method: string;
  readonly path: string;
  readonly bodyHash: Buffer;
  /** Called when the answer comes from the first time instead of from a new write. */
  readonly onReplay: () => void;
};

/** What a log keeps of an actor. */
export const actorName = ({ id, name, kind }: Actor): ActorName => ({ id, name, kind });

/** The service itself, for what it does on its first start. */
export const SERVICE: Actor = { id: 'service', name: 'Fledge', kind: 'service' };

/** The loop that decides about canary rollouts. */
export const RECONCILER: Actor = { id: 'reconciler', name: 'Reconciler', kind: 'service' };
