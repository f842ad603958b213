import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import {
  RolloutHistory,
  RolloutStore,
  type Grant,
  type RolloutDocument,
  type RolloutEvent,
  type RolloutRef,
} from '@fledge/store';
import { Authenticator, ENVIRONMENT_GRANT } from '../auth/authenticator.js';
import { RolloutSignals } from './signals.js';

const LOOK_MS = 1_000;
/** Well under the 20 s after which proxies and clients grow uneasy. */
const HEARTBEAT_MS = 15_000;
const ENDED = new Set(['completed', 'rolled_back', 'cancelled']);

/** Whether nothing more will happen to it: it has ended, and nobody watches it. */
const isOver = ({ endedAt, watchUntil }: RolloutDocument): boolean => endedAt !== null && watchUntil === null;

/** The events of one rollout as they happen, until it is over (its watch included), the client goes or its token ends. */
@Injectable()
export class EventStream {
  constructor(
    private readonly rollouts: RolloutStore,
    private readonly history: RolloutHistory,
    private readonly signals: RolloutSignals,
    private readonly authenticator: Authenticator,
  ) {}

  /** Who comes back after the end is answered 204, which tells an EventSource not to come again. */
  async send(response: ServerResponse, ref: RolloutRef, grant: Grant, after: string | undefined): Promise<void> {
    let last = /^\d{1,18}$/.test(after ?? '') ? after : undefined;
    let over = await this.#isOver(ref);
    if (over && last !== undefined && (await this.history.eventsAfter(ref, last)).length === 0) {
      response.writeHead(204).end();
      return;
    }
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'private, no-cache, no-transform',
      'x-accel-buffering': 'no',
      'x-content-type-options': 'nosniff',
    });
    response.write(':\n\n');
    let spokenAt = performance.now();
    try {
      while (!response.destroyed && !this.signals.draining && (await this.#isValid(grant))) {
        const events = await this.history.eventsAfter(ref, last);
        for (const event of events) response.write(frame(event));
        last = events.at(-1)?.id ?? last;
        if (over && events.length === 0) break;
        over ||= events.some(({ state }) => ENDED.has(state)) && (await this.#isOver(ref));
        // Whatever was written before it was known to be over is sent first.
        if (over) continue;
        if (events.length > 0) spokenAt = performance.now();
        if (performance.now() - spokenAt > HEARTBEAT_MS) {
          response.write(':\n\n');
          spokenAt = performance.now();
        }
        await this.signals.wait(ref.rollout, LOOK_MS);
      }
    } finally {
      response.end();
    }
  }

  async #isOver(ref: RolloutRef): Promise<boolean> {
    return isOver(await this.rollouts.get(ref));
  }

  async #isValid({ id }: Grant): Promise<boolean> {
    return id === ENVIRONMENT_GRANT.id || (await this.authenticator.grantOf(id)) !== undefined;
  }
}

const frame = (event: RolloutEvent): string =>
  `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
