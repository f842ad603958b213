import { Controller, Get, Res } from '@nestjs/common';
import { ApiOperation, ApiProperty, ApiResponse, ApiTags } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Public } from '../auth/access.js';
import { Metrics } from './metrics.js';
import { Readiness, type ReadinessState } from './readiness.js';

class ReadinessDto {
  @ApiProperty({ example: true })
  ready!: boolean;

  @ApiProperty({ enum: ['reachable', 'unreachable'] })
  database!: string;

  @ApiProperty({ enum: ['current', 'behind', 'unknown'] })
  schema!: string;

  @ApiProperty({ enum: ['listening', 'polling'], description: 'How this replica hears of changes.' })
  changes!: string;

  @ApiProperty({ example: false, description: 'The replica is shutting down.' })
  draining!: boolean;
}

/** What load balancers and monitoring ask. */
@ApiTags('Operations')
@Controller()
@Public()
export class HealthController {
  constructor(
    private readonly readiness: Readiness,
    private readonly metrics: Metrics,
  ) {}

  @Get('health/live')
  @ApiOperation({ summary: 'Is the process alive?', security: [] })
  @ApiResponse({ status: 200, description: 'It is.', content: { 'application/json': { example: { live: true } } } })
  live(): { live: true } {
    return { live: true };
  }

  @Get('health/ready')
  @ApiOperation({ summary: 'Should this replica be sent requests?', security: [] })
  @ApiResponse({ status: 200, description: 'Yes.', type: ReadinessDto })
  @ApiResponse({ status: 503, description: 'Not now.', type: ReadinessDto })
  async ready(@Res({ passthrough: true }) reply: FastifyReply): Promise<ReadinessState> {
    const state = await this.readiness.state();
    void reply.status(state.ready ? 200 : 503).header('cache-control', 'no-store');
    return state;
  }

  @Get('metrics')
  @ApiOperation({ summary: 'Figures for Prometheus', security: [] })
  @ApiResponse({
    status: 200,
    description: 'Prometheus text format.',
    content: { 'text/plain': { schema: { type: 'string' } } },
  })
  async text(@Res() reply: FastifyReply): Promise<void> {
    const body = await this.metrics.registry.metrics();
    void reply.header('content-type', this.metrics.registry.contentType).send(body);
  }
}
