import type { Secrets } from './secrets.js';

type Greeting = {
  readonly url: string;
  readonly secretsFile: string | undefined;
  /** Shown once, on a terminal, on the first start. */
  readonly secrets: Secrets | undefined;
};

/** What a person needs next. Written to the terminal, never to the log. */
export function greeting({ url, secretsFile, secrets }: Greeting): string {
  const lines = ['', `  Fledge is ready.  Swagger UI: ${url}/docs`, ''];
  if (secrets !== undefined) {
    lines.push(`  Admin token          ${secrets.adminToken}`);
    for (const [environment, key] of Object.entries(secrets.sdkKeys))
      lines.push(`  SDK key ${environment.padEnd(12)} ${key}`);
    lines.push('');
  }
  if (secretsFile !== undefined) lines.push(`  Tokens are kept in ${secretsFile}`, '');
  return lines.join('\n');
}
