import type { LoggerService } from '@nestjs/common';
import { pino } from 'pino';
import type { FastifyRequest } from 'fastify';
import type { Config } from './config.js';

export type Logger = pino.Logger;

/** JSON lines in production, readable on a terminal. Neither tokens nor query strings ever reach it. `destination`: default standard output. */
export function createLogger(
  config: Pick<Config, 'production' | 'logLevel'>,
  terminal: boolean,
  destination?: pino.DestinationStream,
): Logger {
  const options: pino.LoggerOptions = {
    level: config.logLevel,
    base: null,
    redact: ['req.headers.authorization', 'req.headers["x-api-key"]', 'headers.authorization'],
    serializers: {
      req: ({ method, url }: FastifyRequest) => ({ method, path: pathOf(url) }),
      err: told,
    },
  };
  if (destination !== undefined) return pino(options, destination);
  if (!terminal || config.production) return pino(options);
  const pretty = { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', singleLine: true };
  return pino({ ...options, transport: { target: 'pino-pretty', options: pretty } });
}

/** Without the query, and without a token that somebody put into the path by mistake. */
const pathOf = (url: string): string | undefined =>
  url.split('?', 1)[0]?.replaceAll(/(fledge_[a-z]+_)[0-9A-Za-z]+/g, '$1…');

/** What is told of an error beside its message and stack. Not the parameters of a query nor the row it failed on: they may hold secrets. */
const FIELDS = ['code', 'query', 'table', 'constraint'] as const;
const DEEPEST_CAUSE = 5;

function told(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return String(error);
  const { name, message, stack, cause } = error;
  const fields = Object.entries(error).filter(([field]) => (FIELDS as readonly string[]).includes(field));
  const more = cause === undefined || depth === DEEPEST_CAUSE ? {} : { cause: told(cause, depth + 1) };
  return { type: name, message, stack, ...Object.fromEntries(fields), ...more };
}

/** Nest's own messages, in the same log. Its start-up chatter is for those who ask for debug. */
export class NestLogger implements LoggerService {
  constructor(private readonly logger: Logger) {}

  log(message: unknown, context?: unknown): void {
    this.logger.debug({ context }, String(message));
  }

  debug(message: unknown, context?: unknown): void {
    this.logger.debug({ context }, String(message));
  }

  verbose(message: unknown, context?: unknown): void {
    this.logger.trace({ context }, String(message));
  }

  warn(message: unknown, context?: unknown): void {
    this.logger.warn({ context }, String(message));
  }

  error(message: unknown, ...details: unknown[]): void {
    this.logger.error({ details }, String(message));
  }

  fatal(message: unknown, ...details: unknown[]): void {
    this.logger.fatal({ details }, String(message));
  }
}
