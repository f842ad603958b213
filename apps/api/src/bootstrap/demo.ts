import { DomainError, SERVICE } from '@fledge/store';
import type { Stores } from '../runtime.js';

const DEMO_PROJECT = 'demo';

/** Fills in a project to look around in. Does nothing when there is one already. */
export async function seedDemo({ projects, flags, cohorts, targetings, rollouts }: Stores): Promise<void> {
  const by = { ...SERVICE, comment: 'demo' };
  try {
    await projects.create(by, { key: DEMO_PROJECT, name: 'Demo shop' }, ['development', 'production']);
  } catch (error) {
    if (error instanceof DomainError && error.code === 'key_taken') return;
    throw error;
  }
  const place = (flag: string) => ({ project: DEMO_PROJECT, environment: 'production', flag });
  await cohorts.create(by, DEMO_PROJECT, {
    key: 'staff',
    name: 'Our own team',
    included: ['user-1', 'user-2'],
    rules: [{ conditions: [{ attribute: 'email', operator: 'ends_with', values: ['@example.com'] }] }],
  });
  await cohorts.create(by, DEMO_PROJECT, {
    key: 'beta',
    name: 'Beta testers',
    rules: [{ conditions: [{ attribute: 'plan', operator: 'in', values: ['pro'] }], gate: { percentage: 10 } }],
  });
  await flags.create(by, DEMO_PROJECT, {
    key: 'new-checkout',
    type: 'boolean',
    name: 'New checkout',
    tags: ['payments'],
  });
  await targetings.replace(
    by,
    place('new-checkout'),
    {
      enabled: true,
      offVariant: 'off',
      prerequisites: [],
      rules: [
        { id: 'staff', conditions: [{ cohorts: ['staff', 'beta'] }], serve: { variant: 'on' } },
        {
          id: 'germany',
          conditions: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
          gate: { percentage: 25 },
          serve: { variant: 'on' },
        },
      ],
      fallthrough: { variant: 'off' },
    },
    undefined,
  );
  await flags.create(by, DEMO_PROJECT, {
    key: 'banner',
    type: 'string',
    name: 'Banner',
    variants: { plain: 'Hello', loud: 'HELLO', festive: 'Happy holidays' },
    tags: ['marketing'],
  });
  await targetings.replace(
    by,
    place('banner'),
    {
      enabled: true,
      offVariant: 'plain',
      prerequisites: [],
      rules: [],
      fallthrough: {
        split: [
          { variant: 'plain', weight: 50 },
          { variant: 'loud', weight: 30 },
          { variant: 'festive', weight: 20 },
        ],
      },
    },
    undefined,
  );
  await flags.create(by, DEMO_PROJECT, { key: 'fast-search', type: 'boolean', name: 'Fast search', tags: ['search'] });
  const request = { flag: 'fast-search', canary: 'on', baseline: 'off', enable: true, externalKey: 'demo' };
  await rollouts.start(by, { project: DEMO_PROJECT, environment: 'production' }, request, 'standard');
}
