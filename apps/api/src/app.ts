import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { LogController, type FastifyReply, type FastifyRequest, type FastifyServerOptions } from 'fastify';
import { AppModule } from './app.module.js';
import { refuseUndeclaredRoutes } from './auth/served-routes.js';
import { acceptJson, BODY_LIMIT } from './http/body.js';
import { sendProblem } from './http/problem.filter.js';
import { NestLogger, type Logger } from './log.js';
import { answerPreflights } from './ofrep/origins.js';
import { OFREP_PATH } from './ofrep/refusal.js';
import { openApiDocument, SWAGGER_OPTIONS } from './openapi.js';
import type { Runtime } from './runtime.js';

/** The application without its port: what `main` listens with and what tests send requests to. */
export async function createApp(runtime: Runtime, log: Logger): Promise<NestFastifyApplication> {
  const options: FastifyServerOptions = {
    loggerInstance: log,
    // One line per request is written below, when it is done.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_LIMIT,
    genReqId: (request) => requestId(request.headers['x-request-id']),
    // Who sends a request slower than this is not a client: slowloris ends here.
    requestTimeout: 30_000,
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 300 },
    frameworkErrors: (error, request, reply) => sendProblem(error, request, reply),
  };
  const adapter = new FastifyAdapter(options);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(runtime), adapter, {
    bodyParser: false,
    logger: new NestLogger(log),
    abortOnError: false,
  });
  const server = adapter.getInstance();
  refuseUndeclaredRoutes(server, app);
  acceptJson(server);
  answerPreflights(server, OFREP_PATH);
  server.addHook('onSend', async (request: FastifyRequest, reply: FastifyReply) => {
    void reply.header('x-request-id', request.id);
  });
  server.addHook('onResponse', async (request: FastifyRequest, reply: FastifyReply) => {
    runtime.metrics.observe(reply);
    request.log.info(
      { req: request, status: reply.statusCode, ms: Math.round(reply.elapsedTime * 10) / 10 },
      'request',
    );
  });
  SwaggerModule.setup('docs', app, openApiDocument(app), SWAGGER_OPTIONS);
  return app;
}

/** The caller's id when it is a harmless one, so that a request can be followed through several services. */
function requestId(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.:-]{1,128}$/.test(header) ? header : randomUUID();
}
