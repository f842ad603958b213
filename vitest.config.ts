import { defineConfig, type TestProjectInlineConfiguration } from 'vitest/config';

// Tests run the TypeScript sources: only our own export condition is named, since adding `import` breaks CommonJS dependencies.
const conditions = ['@fledge/source'];

const project = (name: string, include: string[], isolate: boolean): TestProjectInlineConfiguration => ({
  resolve: { conditions },
  ssr: { resolve: { conditions } },
  test: {
    name,
    include,
    isolate,
    setupFiles: ['test/support/property-seed.ts'],
    testTimeout: 20_000,
    hookTimeout: 60_000,
    expect: { poll: { timeout: 10_000, interval: 20 } },
  },
});

export default defineConfig({
  test: {
    projects: [
      // Some of these replace modules and clocks.
      project(
        'parts',
        ['{libs,apps}/*/test/**/*.spec.ts', 'sdk/test/**/*.spec.ts', 'test/conformance/*.spec.ts'],
        true,
      ),
      // These take the service as it is, and loading it anew for each file would take longer than most of them.
      project('service', ['test/{e2e,faults}/**/*.spec.ts'], false),
    ],
    globalSetup: ['test/support/database-cluster.ts'],
    // Specs mostly wait for processes and databases of their own: one for each core, not one less.
    maxWorkers: '100%',
  },
});
