import { defineConfig } from 'vitest/config';

// Tests run the TypeScript sources: only our own export condition is named, since adding `import` breaks CommonJS dependencies.
const conditions = ['@fledge/source'];

export default defineConfig({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    include: ['{libs,apps}/*/test/**/*.spec.ts', 'sdk/test/**/*.spec.ts', 'test/{conformance,e2e,faults}/**/*.spec.ts'],
    setupFiles: ['test/support/property-seed.ts'],
    globalSetup: ['test/support/database-cluster.ts'],
    // Specs mostly wait for processes and databases of their own: one for each core, not one less.
    maxWorkers: '100%',
    testTimeout: 20_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
});
