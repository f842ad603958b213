/** Works on a fresh start, once the flag new-checkout and the cohort staff have been made from their examples. */
export const TARGETING_EXAMPLE = {
  version: 2,
  enabled: true,
  offVariant: 'off',
  prerequisites: [],
  rules: [
    { id: 'staff', conditions: [{ cohorts: ['staff'] }], serve: { variant: 'on' } },
    {
      id: 'germany',
      conditions: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
      gate: { percentage: 25 },
      serve: { variant: 'on' },
    },
  ],
  fallthrough: { variant: 'off' },
  comment: 'our own team first',
};
