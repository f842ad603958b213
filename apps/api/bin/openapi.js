#!/usr/bin/env node
// `npm run openapi`: writes the description of the API to docs/openapi.json, and who may call what into docs/access.md. Needs the build, but no database.
import { readFile, writeFile } from 'node:fs/promises';
import { createApp, createLogger, createRuntime, openApiDocument, readConfig, withAccessTable } from '../dist/index.js';

const config = readConfig({ DATABASE_URL: 'postgres://nowhere:5432/none', LOG_LEVEL: 'silent' });
const log = createLogger(config, false);
const runtime = createRuntime({ ...config, ...config.database, directUrl: config.database.url, log });
const app = await createApp(runtime, log);
const text = `${JSON.stringify(openApiDocument(app), null, 2)}\n`;
await writeFile(new URL('../../../docs/openapi.json', import.meta.url), text);
const page = new URL('../../../docs/access.md', import.meta.url);
await writeFile(page, withAccessTable(await readFile(page, 'utf8'), app));
await app.close();
await runtime.stop();
