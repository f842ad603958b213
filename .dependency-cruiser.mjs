/** The arrows of docs/architecture.md, held by a machine. */
const only = (from, allowed, comment) => ({
  name: `${from.replaceAll('/', '-')}-imports`,
  comment,
  severity: 'error',
  from: { path: `^${from}/` },
  to: { path: '^(apps|libs|migrations|sdk|test)/', pathNot: [`^${from}/`, ...allowed] },
});

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['\\.d\\.ts$', '\\.config\\.(ts|js|mjs)$', '\\.spec\\.ts$', '^apps/api/bin/'] },
      to: {},
    },
    {
      name: 'front-door-only',
      comment: 'Another package is entered through its index, never through a file inside it.',
      severity: 'error',
      from: { path: '^(apps/[^/]+|libs/[^/]+|migrations|sdk)/', pathNot: '/test/' },
      to: {
        path: '^(apps/[^/]+|libs/[^/]+|migrations|sdk)/',
        pathNot: ['^$1/', '/index\\.ts$'],
      },
    },
    {
      name: 'not-own-index',
      comment: "No file imports its own package's index.",
      severity: 'error',
      from: { path: '^(apps/[^/]+|libs/[^/]+|migrations|sdk)/', pathNot: '/test/' },
      to: { path: '^$1/(src/)?index\\.ts$' },
    },
    only('libs/evaluation/src', [], 'Pure: imports nothing.'),
    {
      name: 'evaluation-pure',
      severity: 'error',
      from: { path: '^libs/evaluation/src' },
      to: { dependencyTypes: ['npm', 'core'] },
    },
    only('libs/canary/src', ['^libs/evaluation/'], 'Pure: decides from what it is given.'),
    {
      name: 'canary-pure',
      severity: 'error',
      from: { path: '^libs/canary/src' },
      to: { dependencyTypes: ['npm', 'core'], pathNot: '^libs/evaluation/' },
    },
    only('libs/embedded-postgres/src', [], 'Knows only how to run PostgreSQL.'),
    only(
      'libs/store/src',
      ['^libs/(canary|evaluation)/'],
      'Postgres on one side, documents and decisions on the other.',
    ),
    only('migrations', ['^libs/store/'], 'The schema.'),
    only('sdk/src', ['^libs/evaluation/'], "Runs inside other people's processes."),
    {
      name: 'sdk-no-dependencies',
      severity: 'error',
      from: { path: '^sdk/src', pathNot: ['^sdk/src/(node|fledge-types)'] },
      to: { dependencyTypes: ['npm', 'core'] },
    },
    only('apps/api/src', ['^libs/', '^migrations/'], 'The service.'),
    {
      name: 'sql-in-the-store',
      comment: 'libs/store is the only place that knows SQL and TypeORM.',
      severity: 'error',
      from: { path: '^(apps|sdk)/' },
      to: { path: 'node_modules/(typeorm|pg)/' },
    },
    {
      name: 'no-test-code-in-products',
      severity: 'error',
      from: { path: '^(apps|libs|migrations|sdk)/', pathNot: '/test/' },
      to: { path: '^test/' },
    },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.base.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@fledge/source', 'import', 'node', 'default'],
    },
    doNotFollow: { path: 'node_modules' },
    exclude: { path: ['/dist/', '/build/', '^test/bench/'] },
  },
};
