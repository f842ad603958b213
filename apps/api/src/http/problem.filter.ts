import { Catch, type ArgumentsHost, type ExceptionFilter } from '@nestjs/common';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { OFREP_PATH, sendRefusal } from '../ofrep/refusal.js';
import { PROBLEM_TYPE, toProblem } from './problem.js';

/** The one place where an error becomes an answer. */
@Catch()
export class ProblemFilter implements ExceptionFilter {
  catch(error: unknown, host: ArgumentsHost): void {
    const http = host.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const reply = http.getResponse<FastifyReply>();
    sendProblem(error, request, reply);
  }
}

/** Answers with the problem, and logs what only the operator may see. */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const body = toProblem(error, request.routeOptions.bodyLimit);
  if (body.status === 500) request.log.error({ err: error }, 'request failed');
  else if (body.status === 503) request.log.warn({ err: error }, 'request could not be served');
  if (reply.sent) return;
  const { retryAfter, ...told } = body;
  if (typeof retryAfter === 'number') reply.header('retry-after', String(retryAfter));
  if (body.status === 401) reply.header('www-authenticate', 'Bearer realm="fledge"');
  if (request.url.startsWith(OFREP_PATH)) return sendRefusal(told, request, reply);
  void reply.status(body.status).header('content-type', PROBLEM_TYPE).send(told);
}
