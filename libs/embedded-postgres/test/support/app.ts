import { EmbeddedPostgresError } from '../../src/errors.js';
import { type EmbeddedPostgresOptions, type Internals, start } from '../../src/start.js';

/** What a test tells the program it starts; JSON in its first argument. */
export interface AppOptions extends Omit<EmbeddedPostgresOptions, 'log'> {
  readonly lockWaitMs?: number;
  /** As if this machine allowed no user namespaces. */
  readonly noNamespaces?: boolean;
  /** Another folder with PostgreSQL's binaries. */
  readonly native?: string;
}

/** What the program says on its one line. */
export type AppAnswer = { readonly url: string } | { readonly problem: string; readonly message: string };

const { lockWaitMs = 0, noNamespaces = false, native, ...options } = readOptions();
const internals: Internals = {
  lockWaitMs,
  ...(native === undefined ? {} : { native }),
  ...(noNamespaces ? { routes: (all) => all.filter((route) => route.kind !== 'namespace') } : {}),
};

try {
  const postgres = await start({ ...options, log: (message) => process.stderr.write(`${message}\n`) }, internals);
  const alive = setInterval(() => undefined, 60_000);
  process.once('SIGTERM', () => {
    clearInterval(alive);
    void postgres.stop();
  });
  answer({ url: postgres.url });
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  answer({ problem: error instanceof EmbeddedPostgresError ? error.problem : 'unexpected', message });
}

function readOptions(): AppOptions {
  const parsed: AppOptions = JSON.parse(process.argv[2] ?? '');
  return parsed;
}

function answer(words: AppAnswer): void {
  process.stdout.write(`${JSON.stringify(words)}\n`);
}
