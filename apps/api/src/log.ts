import type { LoggerService } from '@nestjs/common';
import { pino } from 'pino';
import type { FastifyRequest } from 'fastify';
import type { Config } from './config.js';

export type Logger = pino.Logger;

/** JSON lines in production, readable on a terminal. Neither tokens nor query strings ever reach it. */
export function createLogger(config: Pick<Config, 'production' | 'logLevel'>, terminal: boolean): Logger {
  const readable = terminal && !config.production;
  return pino({
    level: config.logLevel,
    base: null,
    redact: ['req.headers.authorization', 'req.headers["x-api-key"]', 'headers.authorization'],
    serializers: {
      req: (request: FastifyRequest) => ({ method: request.method, path: request.url?.split('?', 1)[0] }),
      err: pino.stdSerializers.errWithCause,
    },
    ...(readable
      ? {
          transport: {
            target: 'pino-pretty',
            options: { ignore: 'pid,hostname', translateTime: 'SYS:HH:MM:ss', singleLine: true },
          },
        }
      : {}),
  });
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
