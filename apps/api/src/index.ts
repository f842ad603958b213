export { accessTable, withAccessTable } from './auth/access-table.js';
export { DeclaredAccess } from './auth/declared-access.js';
export { createApp } from './app.js';
export { ConfigError, readConfig, type Config } from './config.js';
export { createLogger, type Logger } from './log.js';
export { openApiDocument } from './openapi.js';
export { createRuntime, type Runtime, type RuntimeOptions } from './runtime.js';
export { firstStart } from './bootstrap/first-start.js';
export { Outgoing } from './outgoing/outgoing.js';
