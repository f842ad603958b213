import { chmod, mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { newTokenText } from '@fledge/store';

/** The first secrets of an embedded installation, kept beside its data so that nobody has to write them down. */
export type Secrets = { readonly adminToken: string; readonly sdkKeys: Readonly<Record<string, string>> };

export const secretsPath = (dataDir: string): string => join(dataDir, 'secrets.json');

/** Reads the secrets, or draws and keeps them (mode 0600). `fresh` says which it was. */
export async function loadSecrets(
  dataDir: string,
  environments: readonly string[],
): Promise<{ secrets: Secrets; fresh: boolean }> {
  const path = secretsPath(dataDir);
  const kept = await readSecrets(path);
  if (kept !== undefined) return { secrets: kept, fresh: false };
  const secrets: Secrets = {
    adminToken: newTokenText('management'),
    sdkKeys: Object.fromEntries(environments.map((key) => [key, newTokenText('sdk')])),
  };
  await writeDurably(path, `${JSON.stringify(secrets, null, 2)}\n`);
  return { secrets, fresh: true };
}

async function readSecrets(path: string): Promise<Secrets | undefined> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { adminToken, sdkKeys }: Partial<Secrets> = JSON.parse(text);
    if (typeof adminToken === 'string' && typeof sdkKeys === 'object') return { adminToken, sdkKeys };
  } catch {
    // Said below: whether it is no JSON or the wrong JSON is the same to the reader.
  }
  throw new Error(
    `${path} does not hold what Fledge wrote there. Restore it, or move it away to have new secrets made.`,
  );
}

/** Either the whole file is there after a crash, or none of it. */
async function writeDurably(path: string, text: string): Promise<void> {
  await mkdir(dirname(path), { recursive: true, mode: 0o700 });
  const temporary = `${path}.${process.pid}.tmp`;
  const file = await open(temporary, 'w', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await chmod(temporary, 0o600);
  await rename(temporary, path);
}
