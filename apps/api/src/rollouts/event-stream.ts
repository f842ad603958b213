import type { ServerResponse } from 'node:http';
import { Injectable } from '@nestjs/common';
import { RolloutHistory, type Grant, type RolloutEvent, type RolloutRef } from '@fledge/store';
import { Authenticator, ENVIRONMENT_GRANT } from '../auth/authenticator.js';
import { RolloutSignals } from './signals.js';

const LOOK_MS = 1_000;
/** Well under the 20 s after which proxies and clients grow uneasy. */
const HEARTBEAT_MS = 15_000;
const OVER = new Set(['completed', 'rolled_back', 'cancelled']);

/** The events of one rollout as they happen, until it is over, the client goes or its token ends. */
@Injectable()
export class EventStream {
  constructor(
    private readonly history: RolloutHistory,
    private readonly signals: RolloutSignals,
    private readonly authenticator: Authenticator,
  ) {}

  async send(response: ServerResponse, ref: RolloutRef, grant: Grant, after: string | undefined): Promise<void> {
    response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'private, no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    response.write(':\n\n');
    let last = /^\d{1,18}$/.test(after ?? '') ? after : undefined;
    let spokenAt = performance.now();
    try {
      while (!response.destroyed && !this.signals.draining && (await this.#isValid(grant))) {
        const events = await this.history.eventsAfter(ref, last);
        for (const event of events) response.write(frame(event));
        last = events.at(-1)?.id ?? last;
        if (events.some(({ state }) => OVER.has(state))) break;
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

  async #isValid({ id }: Grant): Promise<boolean> {
    return id === ENVIRONMENT_GRANT.id || (await this.authenticator.grantOf(id)) !== undefined;
  }
}

const frame = (event: RolloutEvent): string =>
  `id: ${event.id}\nevent: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`;
