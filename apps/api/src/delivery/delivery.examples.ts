import type { Snapshot } from '@fledge/evaluation';

/** A small environment, for the OpenAPI document. */
export const SNAPSHOT_EXAMPLE: Snapshot = {
  format: 1,
  project: 'default',
  environment: 'production',
  version: 17,
  revision: '17-Jx0aQ2_b',
  flags: {
    'new-checkout': {
      key: 'new-checkout',
      type: 'boolean',
      enabled: true,
      variants: { on: true, off: false },
      offVariant: 'off',
      prerequisites: [],
      rules: [
        { id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } },
        { id: 'percentage', conditions: [], gate: { percentage: 25 }, serve: { variant: 'on' } },
      ],
      fallthrough: { variant: 'off' },
    },
  },
  cohorts: {
    staff: {
      key: 'staff',
      included: ['user-1'],
      excluded: [],
      rules: [{ conditions: [{ attribute: 'email', operator: 'ends_with', values: ['@example.com'] }] }],
    },
  },
};

/** One change on a stream: a flag was disabled. */
export const PATCH_EXAMPLE = `id: 18-p0Wm3c-T
event: patch
data: {"from":17,"version":18,"revision":"18-p0Wm3c-T","flags":{"new-checkout":{"key":"new-checkout","enabled":false}}}

`;
