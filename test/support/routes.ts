/** Who may call a management route: at least this role, and for `everything` only with a token of all projects. */
export type Route = {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete';
  readonly path: string;
  readonly role: 'viewer' | 'operator' | 'editor' | 'admin';
  readonly everything?: true;
  /** A question: it has a body and writes nothing. */
  readonly asks?: true;
  /** A body that is legal once `prepare` has run. */
  readonly body?: Record<string, unknown>;
};

const P = '/projects/default';
const FLAG = `${P}/environments/production/flags/checkout`;
const ROLLOUTS = `${P}/environments/production/rollouts`;
const PLAN = {
  stages: [
    {
      percentage: 5,
      minBake: '1h',
      maxBake: '4h',
      minSamples: { requests: 500, units: 100 },
      evidence: { powered: { ratio: 2 } },
      onInconclusive: 'hold',
      gates: [
        { type: 'window', days: ['mon', 'tue'], from: '09:00', to: '16:00', timeZone: 'Europe/Berlin' },
        { type: 'approval', fourEyes: true },
      ],
    },
    { percentage: 100 },
  ],
  guardrails: [
    {
      metric: 'errors',
      margin: { relative: 0.1, absolute: 0.0005 },
      count: 'unit_window',
      weight: 1,
      floors: { failures: 5 },
    },
    { metric: 'latency', quantile: 0.95, overMs: 800 },
    { metric: 'latency', kind: 'mean', action: 'warn' },
    { metric: 'errors', kind: 'limit', test: 'rate', limit: 0.05 },
  ],
  warmup: '0s',
  watch: '24h',
  alpha: 0.05,
  window: '30s',
};

/** Every management route as api.md lists it. What they name is made by `prepare` of the spec: flag `checkout`, cohort `staff`, and what
 * `prepareRollouts` makes. */
export const ROUTES: readonly Route[] = [
  { method: 'get', path: '/projects', role: 'viewer' },
  { method: 'post', path: '/projects', role: 'admin', everything: true, body: { key: 'mobile', name: 'Mobile' } },
  { method: 'get', path: P, role: 'viewer' },
  { method: 'patch', path: P, role: 'admin', body: { name: 'Web', description: 'x' } },
  { method: 'delete', path: P, role: 'admin', everything: true },
  { method: 'get', path: `${P}/environments`, role: 'viewer' },
  {
    method: 'post',
    path: `${P}/environments`,
    role: 'admin',
    body: { key: 'staging', name: 'x', description: 'x', copyFrom: 'production', keepEnabled: true },
  },
  { method: 'get', path: `${P}/environments/production`, role: 'viewer' },
  {
    method: 'patch',
    path: `${P}/environments/production`,
    role: 'admin',
    body: { name: 'x', description: 'x', protected: false },
  },
  { method: 'delete', path: `${P}/environments/production`, role: 'admin' },
  { method: 'get', path: `${P}/flags`, role: 'viewer' },
  {
    method: 'post',
    path: `${P}/flags`,
    role: 'editor',
    body: {
      key: 'banner',
      type: 'string',
      name: 'x',
      description: 'x',
      variants: { plain: 'Hello', loud: 'HELLO' },
      variantInfo: { plain: { name: 'x', description: 'x' } },
      tags: ['a'],
      permanent: true,
      owner: 'x',
      metadata: { jira: 'PAY-7', count: 1, done: true },
    },
  },
  { method: 'get', path: `${P}/flags/checkout`, role: 'viewer' },
  {
    method: 'patch',
    path: `${P}/flags/checkout`,
    role: 'editor',
    body: {
      name: 'x',
      description: 'x',
      variants: { on: true, off: false, also: true },
      variantInfo: { on: { name: 'x' } },
      defaultVariant: 'on',
      tags: ['a'],
      permanent: true,
      owner: 'x',
      metadata: { jira: 'PAY-8' },
    },
  },
  { method: 'delete', path: `${P}/flags/checkout`, role: 'editor' },
  { method: 'post', path: `${P}/flags/checkout/archive`, role: 'editor', body: { comment: 'x' } },
  { method: 'post', path: `${P}/flags/checkout/restore`, role: 'editor', body: { comment: 'x' } },
  { method: 'get', path: `${P}/cohorts`, role: 'viewer' },
  {
    method: 'post',
    path: `${P}/cohorts`,
    role: 'editor',
    body: {
      key: 'beta',
      name: 'x',
      description: 'x',
      attribute: 'email',
      included: ['a', 'b'],
      excluded: ['c'],
      rules: [
        {
          conditions: [{ attribute: 'plan', operator: 'in', values: ['pro'], negate: true }, { cohorts: ['staff'] }],
          gate: { percentage: 10, bucketBy: 'company', salt: 's', bucketing: 1 },
        },
      ],
    },
  },
  { method: 'get', path: `${P}/cohorts/staff`, role: 'viewer' },
  {
    method: 'put',
    path: `${P}/cohorts/staff`,
    role: 'editor',
    body: {
      version: 1,
      name: 'x',
      attribute: 'email',
      included: ['a'],
      excluded: ['b'],
      rules: [{ conditions: [{ attribute: 'plan', operator: 'in', values: ['pro'] }] }],
    },
  },
  { method: 'delete', path: `${P}/cohorts/staff`, role: 'editor' },
  { method: 'get', path: `${P}/cohorts/staff/members`, role: 'viewer' },
  {
    method: 'post',
    path: `${P}/cohorts/staff/members`,
    role: 'editor',
    body: { list: 'included', add: ['d', 'e'], remove: ['a'] },
  },
  { method: 'get', path: `${P}/environments/production/flags`, role: 'viewer' },
  { method: 'get', path: `${P}/environments/production/types.d.ts`, role: 'viewer' },
  { method: 'get', path: FLAG, role: 'viewer' },
  {
    method: 'put',
    path: FLAG,
    role: 'editor',
    body: {
      version: 2,
      enabled: true,
      offVariant: 'off',
      prerequisites: [{ flag: 'payments', variants: ['on'] }],
      rules: [
        {
          id: 'staff',
          description: 'x',
          enabled: true,
          conditions: [
            { cohorts: ['staff'], negate: false },
            { attribute: 'country', operator: 'in', values: ['DE', 1, true], negate: false, ignoreCase: true },
            { attribute: 'version', operator: 'semver_gte', values: ['1.2.3'] },
            { attribute: 'email', operator: 'matches', values: ['^a+$'] },
            { attribute: '$now', operator: 'after', values: ['2026-11-23T10:00:00Z'] },
          ],
          gate: { percentage: 12.5, bucketBy: 'company', salt: 's', otherwise: 'off', bucketing: 1 },
          serve: {
            split: [
              { variant: 'on', weight: 3 },
              { variant: 'off', weight: 1 },
            ],
            bucketBy: 'company',
            salt: 's',
            bucketing: 1,
          },
        },
      ],
      fallthrough: { variant: 'off' },
    },
  },
  { method: 'post', path: `${FLAG}/enable`, role: 'operator', body: { comment: 'x' } },
  { method: 'post', path: `${FLAG}/disable`, role: 'operator', body: { comment: 'x' } },
  {
    method: 'post',
    path: `${FLAG}/percentage`,
    role: 'operator',
    body: { percentage: 12.5, variant: 'on', bucketBy: 'targetingKey', enable: true, comment: 'first wave' },
  },
  { method: 'post', path: `${FLAG}/copy`, role: 'editor', body: { from: 'development' } },
  {
    method: 'post',
    path: `${FLAG}/preview`,
    role: 'viewer',
    asks: true,
    body: {
      targeting: {
        version: 2,
        enabled: true,
        offVariant: 'off',
        prerequisites: [],
        rules: [
          {
            id: 'germany',
            conditions: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
            gate: { percentage: 25, bucketBy: 'company', salt: 's', otherwise: 'off', bucketing: 1 },
            serve: { split: [{ variant: 'on', weight: 3 }], salt: 't' },
          },
        ],
        fallthrough: { variant: 'off' },
        comment: 'x',
      },
    },
  },
  {
    method: 'post',
    path: `${FLAG}/explain`,
    role: 'viewer',
    asks: true,
    body: { context: { targetingKey: 'user-7', country: 'DE' }, at: '2100-01-01T00:00:00Z', version: 1 },
  },
  { method: 'get', path: `${P}/export`, role: 'viewer' },
  {
    method: 'post',
    path: `${P}/import`,
    role: 'admin',
    body: {
      format: 1,
      project: { key: 'default', name: 'x', description: 'x' },
      environments: [{ key: 'production', name: 'x', description: 'x', protected: false }],
      cohorts: [],
      flags: [],
      dryRun: true,
      comment: 'x',
    },
  },
  { method: 'get', path: `${P}/rollout-plans`, role: 'viewer' },
  {
    method: 'post',
    path: `${P}/rollout-plans`,
    role: 'editor',
    body: { key: 'nightly', name: 'x', description: 'x', plan: PLAN },
  },
  { method: 'get', path: `${P}/rollout-plans/short`, role: 'viewer' },
  {
    method: 'put',
    path: `${P}/rollout-plans/short`,
    role: 'editor',
    body: { version: 1, name: 'x', description: 'x', plan: PLAN },
  },
  { method: 'delete', path: `${P}/rollout-plans/short`, role: 'editor' },
  { method: 'get', path: ROLLOUTS, role: 'viewer' },
  {
    method: 'post',
    path: ROLLOUTS,
    role: 'operator',
    body: {
      flag: 'checkout',
      canary: 'on',
      baseline: 'off',
      audience: [{ attribute: 'country', operator: 'in', values: ['DE'] }],
      position: 'last',
      bucketBy: 'company',
      salt: 's',
      enable: true,
      plan: PLAN,
      externalKey: 'run-2',
      acceptMoves: true,
      sharedSalt: true,
      supersede: true,
      reshuffle: true,
      comment: 'x',
    },
  },
  { method: 'post', path: `${ROLLOUTS}/pause-all`, role: 'operator', body: { comment: 'x' } },
  { method: 'get', path: `${ROLLOUTS}/key:live`, role: 'viewer' },
  { method: 'get', path: `${ROLLOUTS}/key:live/verdict`, role: 'viewer' },
  { method: 'get', path: `${ROLLOUTS}/key:over/wait`, role: 'viewer' },
  { method: 'get', path: `${ROLLOUTS}/key:live/events`, role: 'viewer' },
  { method: 'get', path: `${ROLLOUTS}/key:live/decisions`, role: 'viewer' },
  { method: 'post', path: `${ROLLOUTS}/key:live/pause`, role: 'operator', body: { comment: 'x' } },
  { method: 'post', path: `${ROLLOUTS}/key:paused/resume`, role: 'operator', body: { comment: 'x' } },
  { method: 'post', path: `${ROLLOUTS}/key:live/approve`, role: 'operator', body: { comment: 'x' } },
  { method: 'post', path: `${ROLLOUTS}/key:live/promote`, role: 'operator', body: { full: true, comment: 'x' } },
  { method: 'post', path: `${ROLLOUTS}/key:live/jump`, role: 'operator', body: { stage: 0, comment: 'x' } },
  {
    method: 'post',
    path: `${ROLLOUTS}/key:warm/acknowledge`,
    role: 'operator',
    body: { reshuffle: true, comment: 'x' },
  },
  {
    method: 'post',
    path: `${ROLLOUTS}/key:live/verdicts`,
    role: 'operator',
    body: { source: 'load-test', verdict: 'pass', ttl: '10m', reason: 'x', comment: 'x' },
  },
  { method: 'post', path: `${ROLLOUTS}/key:live/cancel`, role: 'operator', body: { keep: 'current', comment: 'x' } },
  { method: 'post', path: `${ROLLOUTS}/key:warm/rollback`, role: 'operator', body: { comment: 'x' } },
  {
    method: 'post',
    path: `${ROLLOUTS}/key:over/retry`,
    role: 'operator',
    body: { reshuffle: true, enable: true, comment: 'x' },
  },
  { method: 'get', path: `${FLAG}/exposures`, role: 'viewer' },
  { method: 'get', path: `${P}/changes`, role: 'viewer' },
  { method: 'get', path: '/changes', role: 'admin', everything: true },
  { method: 'get', path: `${P}/changes/export`, role: 'viewer' },
  { method: 'get', path: '/changes/export', role: 'admin', everything: true },
  { method: 'get', path: `${P}/changes/999999`, role: 'viewer' },
  { method: 'post', path: `${P}/changes/999999/revert`, role: 'editor', body: { comment: 'x', dryRun: true } },
  {
    method: 'post',
    path: '/changes/999999/revert',
    role: 'admin',
    everything: true,
    body: { comment: 'x', dryRun: true },
  },
  {
    method: 'post',
    path: `${P}/environments/production/restore`,
    role: 'editor',
    body: { version: 1, comment: 'x', dryRun: true },
  },
  { method: 'get', path: '/tokens', role: 'admin' },
  {
    method: 'post',
    path: '/tokens',
    role: 'admin',
    body: {
      name: 'bot',
      kind: 'management',
      role: 'viewer',
      project: 'default',
      environments: ['production'],
      expiresAt: '2100-01-01T00:00:00Z',
    },
  },
  { method: 'get', path: '/tokens/00000000-0000-4000-8000-000000000000', role: 'admin' },
  { method: 'delete', path: '/tokens/00000000-0000-4000-8000-000000000000', role: 'admin' },
  {
    method: 'post',
    path: '/tokens/00000000-0000-4000-8000-000000000000/rotate',
    role: 'admin',
    body: { grace: '2h', expiresAt: '2100-01-01T00:00:00Z', comment: 'x' },
  },
  // Ends the session that asks, and no other; a token that is none is answered 404.
  { method: 'post', path: '/logout', role: 'viewer', asks: true },
];

/** The routes that no management token opens: for everybody, for SDK keys, or for whatever key may evaluate. */
export const OPEN_ROUTES: readonly {
  readonly method: Route['method'];
  readonly path: string;
  readonly for: 'everybody' | 'sdk' | 'evaluation';
}[] = [
  { method: 'get', path: '/sdk/v1/snapshot', for: 'sdk' },
  { method: 'get', path: '/sdk/v1/stream', for: 'sdk' },
  { method: 'get', path: '/sdk/v1/types.d.ts', for: 'sdk' },
  { method: 'post', path: '/sdk/v1/outcomes', for: 'sdk' },
  { method: 'post', path: '/sdk/v1/exposures', for: 'sdk' },
  { method: 'post', path: '/ofrep/v1/evaluate/flags', for: 'evaluation' },
  { method: 'post', path: '/ofrep/v1/evaluate/flags/checkout', for: 'evaluation' },
  // Its token is in the query, made of a secret and the key's id: asked for by the route itself.
  { method: 'get', path: '/ofrep/v1/stream', for: 'everybody' },
  { method: 'get', path: '/login', for: 'everybody' },
  { method: 'get', path: '/login/callback', for: 'everybody' },
  { method: 'get', path: '/health/live', for: 'everybody' },
  { method: 'get', path: '/health/ready', for: 'everybody' },
  { method: 'get', path: '/metrics', for: 'everybody' },
];
