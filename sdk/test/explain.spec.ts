import { createClient } from '@fledge/sdk';
import { explain, traceText } from '@fledge/sdk/explain';
import { expect, it } from 'vitest';
import { snapshotOf, switched } from './support/fake-service.js';

const rules = [
  {
    id: 'germany',
    conditions: [{ attribute: 'country', operator: 'in' as const, values: ['DE'] }],
    gate: { percentage: 25 },
    serve: { variant: 'on' },
  },
  {
    id: 'launch',
    conditions: [{ attribute: '$now', operator: 'after' as const, values: ['2026-01-01T00:00:00Z'] }],
    serve: { variant: 'on' },
  },
];
const snapshot = snapshotOf(1, { checkout: switched('checkout', false, { rules }) });
const context = { targetingKey: 'user-7', country: 'DE' };

it('explains what a client answered, in data and in words', () => {
  const client = createClient({ snapshot, now: () => 0 });
  const { evaluation, trace } = explain(snapshot, 'checkout', context, 0);
  expect(evaluation).toEqual(client.evaluate('checkout', context, null));
  expect(trace.length).toBeGreaterThan(1);
  expect(traceText(trace)).toContain('germany');
});

it('explains the present unless it is told another time', () => {
  const elsewhere = { targetingKey: 'user-7', country: 'FR' };
  expect(explain(snapshot, 'checkout', elsewhere).evaluation.metadata['ruleId']).toBe('launch');
  expect(explain(snapshot, 'checkout', elsewhere, 0).evaluation.metadata).not.toHaveProperty('ruleId');
});

it('says so while the client has no snapshot yet', async () => {
  const client = createClient({
    url: 'http://localhost:1',
    sdkKey: 'key',
    report: { exposures: false, outcomes: false },
  });
  const { evaluation, trace } = explain(client.snapshot, 'checkout', context);
  expect({ ...evaluation, value: true }).toEqual(client.evaluate('checkout', context, true));
  expect([evaluation.errorCode, traceText(trace)]).toEqual(['PROVIDER_NOT_READY', '']);
  await client.close();
});
