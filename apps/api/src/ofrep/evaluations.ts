import { Injectable } from '@nestjs/common';
import type { Context } from '@fledge/evaluation';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { EnvironmentView } from '../delivery/environment-view.js';
import { BulkAnswers } from './bulk-answers.js';
import { toEvaluated } from './evaluated.js';
import { hourOf } from './stream-tokens.js';

/** The protocol's own default: after how long in the background a client lets go of its stream. */
const INACTIVITY_S = 120;

/** What is evaluated, and when, in epoch milliseconds. */
export type Asked = { readonly environment: EnvironmentView; readonly context: Context; readonly now: number };

/** Answers what was asked, whichever way the request came here. */
@Injectable()
export class Evaluations {
  constructor(private readonly answers: BulkAnswers) {}

  one(reply: FastifyReply, key: string, { environment, context, now }: Asked): void {
    const evaluation = environment.evaluator().evaluate(key, context, now);
    const { errorCode } = evaluation;
    void reply
      .status(errorCode === undefined ? 200 : errorCode === 'FLAG_NOT_FOUND' ? 404 : 400)
      .send(toEvaluated(key, evaluation));
  }

  /** `token`: of the event stream, for the hour of `now`. */
  all(request: FastifyRequest, reply: FastifyReply, token: string, { environment, context, now }: Asked): void {
    const answer = this.answers.answer(environment, context, now);
    // The hour is part of the tag, or a client whose flags stay the same would never be given a new stream.
    const tag = `${answer.hash}-${hourOf(now)}`;
    void reply.header('etag', `"${tag}"`);
    if (tagsIn(request.headers['if-none-match']).includes(tag)) {
      void reply.status(304).send();
      return;
    }
    const requestUri = `/ofrep/v1/stream?token=${token}`;
    const eventStreams = [{ type: 'sse', endpoint: { requestUri }, inactivityDelaySec: INACTIVITY_S }];
    const body = answer.body(`"eventStreams":${JSON.stringify(eventStreams)}`);
    reply.raw.once('close', () => this.answers.release(body));
    void reply.status(200).header('content-type', 'application/json; charset=utf-8').send(body);
  }
}

/** The tags that If-None-Match names, compared weakly: a proxy that compresses may have weakened them. */
const tagsIn = (header: string | undefined): string[] =>
  header === undefined || header.length > 1_000
    ? []
    : header.split(',').map((part) => part.trim().replace(/^W\//, '').replaceAll('"', ''));
