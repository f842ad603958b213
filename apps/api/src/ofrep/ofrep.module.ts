import { Module } from '@nestjs/common';
import { BulkAnswers } from './bulk-answers.js';
import { Evaluations } from './evaluations.js';
import { OfrepStreamController } from './ofrep-stream.controller.js';
import { OfrepController } from './ofrep.controller.js';
import { RefetchEvents } from './refetch-events.js';
import { StreamTokens } from './stream-tokens.js';

/** The OpenFeature Remote Evaluation Protocol: Fledge for every language that has an OpenFeature SDK, and for browsers. */
@Module({
  controllers: [OfrepController, OfrepStreamController],
  providers: [BulkAnswers, Evaluations, RefetchEvents, StreamTokens],
})
export class OfrepModule {}
