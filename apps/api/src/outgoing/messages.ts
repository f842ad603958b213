import type { Attempted, ClaimedDelivery, WebhookDelivering } from '@fledge/store';
import { SealError } from '@fledge/store';
import type { Logger } from '../log.js';
import type { Errand } from './courier.js';
import { OutgoingError, type Answer, type Outgoing } from './outgoing.js';
import { signed } from './signature.js';

/** Carries messages to webhooks: signed, at least once, each attempt with the same id and the same bytes. `ended`: told of every attempt. */
export function messages(
  deliveries: WebhookDelivering,
  outgoing: Outgoing,
  ended: (outcome: string) => void,
  log: Logger,
): Errand {
  return async (signal) => {
    const claimed = await deliveries.claim();
    if (claimed === undefined) return undefined;
    return async () => {
      const attempted = await attempt(deliveries, outgoing, claimed, signal);
      if (signal.aborted && !attempted.delivered) return deliveries.release(claimed);
      const state = await deliveries.finish(claimed, attempted);
      ended(state === 'pending' ? 'retried' : (state ?? 'lost'));
      if (attempted.delivered) return;
      const { project, webhook, event, id } = claimed;
      // Not the address: the path of many is a secret.
      const told = { project, webhook, event, delivery: id, attempt: claimed.attempt, detail: attempted.detail };
      log[state === 'failed' ? 'warn' : 'info'](told, state === 'failed' ? 'webhook given up' : 'webhook failed');
    };
  };
}

async function attempt(
  deliveries: WebhookDelivering,
  outgoing: Outgoing,
  claimed: ClaimedDelivery,
  signal: AbortSignal,
): Promise<Attempted> {
  const { id, url, body } = claimed;
  try {
    const headers = signed(id, body, await deliveries.secretsOf(claimed), new Date());
    return judge(await outgoing.post(url, headers, body, signal));
  } catch (error) {
    if (!(error instanceof OutgoingError || error instanceof SealError)) throw error;
    return { delivered: false, status: null, detail: error.message, final: false };
  }
}

/** Any 2xx is a yes; 410 says that nobody will ever listen there again. */
function judge({ status, retryAfterMs }: Answer): Attempted {
  if (status >= 200 && status < 300) return { delivered: true, status };
  const isRedirect = status >= 300 && status < 400;
  const detail = `The receiver answered ${status}${isRedirect ? '; redirects are not followed' : ''}.`;
  return { delivered: false, status, detail, final: status === 410, notBeforeMs: retryAfterMs };
}
