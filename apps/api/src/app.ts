import 'reflect-metadata';
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { SwaggerModule } from '@nestjs/swagger';
import { LogController, type FastifyHttpOptions } from 'fastify';
import { AppModule } from './app.module.js';
import { refuseUndeclaredRoutes } from './auth/served-routes.js';
import type { HttpSettings } from './config.js';
import { answerSnapshots } from './delivery/prepared-snapshots.js';
import { acceptJson } from './http/body.js';
import { endConnectionsOnClose } from './http/farewell.js';
import { refuseWhileStarting } from './health/readiness.js';
import { sendProblem } from './http/problem.filter.js';
import { callerAt } from './http/rate-limits.js';
import { refuseMalformed } from './http/malformed.js';
import { DATA_HEADERS, protectBrowsers } from './http/security-headers.js';
import { NestLogger, type Logger } from './log.js';
import { Evaluations } from './ofrep/evaluations.js';
import { answerPreflights } from './ofrep/origins.js';
import { answerEvaluations } from './ofrep/prepared-evaluations.js';
import { OFREP_PATH } from './ofrep/refusal.js';
import { StreamTokens } from './ofrep/stream-tokens.js';
import { openApiDocument, SWAGGER_OPTIONS } from './openapi.js';
import type { Runtime } from './runtime.js';

/** The application without its port: what `main` listens with and what tests send requests to. */
export async function createApp(runtime: Runtime, log: Logger): Promise<NestFastifyApplication> {
  const adapter = new FastifyAdapter(serverOptions(runtime.http, log));
  const app = await NestFactory.create<NestFastifyApplication>(AppModule.with(runtime), adapter, {
    bodyParser: false,
    logger: new NestLogger(log),
    abortOnError: false,
  });
  const server = adapter.getInstance();
  refuseUndeclaredRoutes(server, app);
  server.server.maxConnections = runtime.http.limits.connections;
  endConnectionsOnClose(server);
  protectBrowsers(server, runtime.http.publicUrl);
  refuseWhileStarting(server, runtime.readiness);
  if (runtime.http.limits.addressPerSecond > 0)
    server.addHook('onRequest', ({ ip }) => runtime.rates.take('addressPerSecond', callerAt(ip)));
  acceptJson(server, runtime.http.limits.bodyDepth);
  answerPreflights(server, OFREP_PATH);
  answerSnapshots(server, runtime);
  answerEvaluations(server, { ...runtime, tokens: app.get(StreamTokens), evaluations: app.get(Evaluations) });
  server.addHook('onSend', (request, reply, _payload, done) => {
    void reply.header('x-request-id', request.id);
    done();
  });
  server.addHook('onResponse', (request, reply, done) => {
    runtime.metrics.observe(reply);
    request.log.info(
      { req: request, status: reply.statusCode, ms: Math.round(reply.elapsedTime * 10) / 10 },
      'request',
    );
    done();
  });
  // Made when somebody asks: it takes a tenth of the start and megabytes that most processes never need.
  SwaggerModule.setup('docs', app, () => openApiDocument(app), SWAGGER_OPTIONS);
  return app;
}

function serverOptions({ limits, trustedProxies }: HttpSettings, log: Logger): FastifyHttpOptions<Server> {
  return {
    loggerInstance: log,
    // One line per request is written in createApp, when it is done.
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: limits.bodyBytes,
    genReqId: (request) => requestId(request.headers['x-request-id']),
    trustProxy: trustedProxies.length > 0 && [...trustedProxies],
    // Who sends a request slower than this is not a client: slowloris ends here.
    requestTimeout: limits.requestSeconds * 1_000,
    http: {
      headersTimeout: Math.min(limits.headersSeconds, limits.requestSeconds) * 1_000,
      connectionsCheckingInterval: CHECK_CONNECTIONS_MS,
    },
    keepAliveTimeout: 72_000,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: 300 },
    // What has no route has no hooks either.
    frameworkErrors: (error, request, reply) =>
      sendProblem(error, request, reply.headers({ ...DATA_HEADERS, 'x-request-id': request.id })),
    clientErrorHandler: refuseMalformed,
  };
}

/** How late a slow request may be noticed. */
const CHECK_CONNECTIONS_MS = 1_000;

/** The caller's id when it is a harmless one, so that a request can be followed through several services. */
function requestId(header: string | string[] | undefined): string {
  return typeof header === 'string' && /^[\w.:-]{1,128}$/.test(header) ? header : randomUUID();
}
