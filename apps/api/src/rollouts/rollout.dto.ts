import { ApiExtraModels, ApiProperty, ApiPropertyOptional, getSchemaPath, OmitType } from '@nestjs/swagger';
import type { Plan, StageForecast } from '@fledge/canary';
import type { Condition, WhoMoves } from '@fledge/evaluation';
import type { Keep, RolloutCommand, RolloutDocument, RolloutPhase, RolloutPosition, RolloutState } from '@fledge/store';
import { Type } from 'class-transformer';
import { IsArray, IsBoolean, IsIn, IsInt, IsOptional, IsString, Max, MaxLength, Min } from 'class-validator';
import { ApiConditions, DescribesConditions } from '../flags/condition.dto.js';
import { CommentDto } from '../http/comment.dto.js';
import { DocumentProblemDto } from '../http/openapi.js';
import { PageQueryDto } from '../http/page.query.js';
import { IsDuration, IsInstant, IsKey, IsPosition, IsPresent, IsText, MayBeAbsent } from '../http/strings.js';
import { PlanDto } from './plan.dto.js';

const STATES = ['scheduled', 'running', 'paused', 'completed', 'rolled_back', 'cancelled'] as const;
const PHASES = ['warmup', 'baking', 'awaiting_gate'] as const;
const COMMANDS = [
  'pause',
  'resume',
  'promote',
  'rollback',
  'cancel',
  'approve',
  'jump',
  'acknowledge',
  'retry',
] as const;

class ActorNameDto {
  @ApiProperty({ example: 'environment' })
  id!: string;

  @ApiProperty({ example: 'FLEDGE_ADMIN_TOKEN' })
  name!: string;

  @ApiProperty({ enum: ['token', 'environment', 'service', 'person'], example: 'environment' })
  kind!: 'token' | 'environment' | 'service' | 'person';
}

class ApprovalDto {
  @ApiProperty({ type: ActorNameDto })
  actor!: ActorNameDto;

  @ApiProperty({ type: String, nullable: true, example: 'looks good' })
  comment!: string | null;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  at!: string;
}

class SamplesDto {
  @ApiProperty({ example: 812 })
  requests!: number;

  @ApiProperty({ example: 204 })
  units!: number;
}

class SeenDto {
  @ApiProperty({ example: 3, description: 'Processes that reported the rollout in the last minute.' })
  instances!: number;

  @ApiProperty({ example: 2, description: 'Those of them at its newest epoch; 0 when it is over and all have heard.' })
  onEpoch!: number;

  @ApiProperty({ type: Number, nullable: true, example: 18 })
  oldestEpoch!: number | null;
}

class StageForecastDto {
  @ApiProperty({ example: 0 })
  stage!: number;

  @ApiProperty({ example: 1 })
  percentage!: number;

  @ApiProperty({
    type: 'object',
    properties: { requests: { type: 'integer' }, units: { type: 'integer', nullable: true } },
    example: { requests: 1_800, units: null },
    description: "The canary's within minBake, from the last hour's exposures; units null: nobody counts them before.",
  })
  expected!: StageForecast['expected'];

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'integer' },
    example: { 2: 3_277, 3: 977, 5: 313 },
    description: "The canary's requests to find 2, 3 and 5 times the failures, at 1 % of them in control.",
  })
  needed!: StageForecast['needed'];

  @ApiProperty({ example: false, description: 'minSamples will not be met within maxBake.' })
  tooFew!: boolean;
}

const ApiPosition = () =>
  ApiPropertyOptional({
    oneOf: [
      { type: 'string', enum: ['first', 'last'] },
      { type: 'object', properties: { before: { type: 'string' } }, required: ['before'] },
    ],
    default: 'last',
    description: 'Where the rule of the rollout stands: last, after every other rule; first; or before a rule.',
  });

@DescribesConditions()
@ApiExtraModels(PlanDto)
export class RolloutDto {
  @ApiProperty({ example: '0192f4a1-6b1e-4c3d-9a55-5d0f5f5b1c11' })
  id!: string;

  @ApiProperty({ type: String, nullable: true, example: 'pipeline-42' })
  externalKey!: string | null;

  @ApiProperty({ example: 'default' })
  project!: string;

  @ApiProperty({ example: 'production' })
  environment!: string;

  @ApiProperty({ example: 'new-checkout' })
  flag!: string;

  @ApiProperty({ enum: STATES, example: 'running' })
  state!: RolloutState;

  @ApiProperty({ enum: [...PHASES, null], type: String, nullable: true, example: 'baking' })
  phase!: RolloutPhase | null;

  @ApiProperty({ example: 0, description: 'Counts from 0.' })
  stage!: number;

  @ApiProperty({ example: 1, description: 'Of the audience, that gets the canary now.' })
  percentage!: number;

  @ApiProperty({ example: 'on' })
  canary!: string;

  @ApiProperty({ example: 'off' })
  baseline!: string;

  @ApiConditions()
  audience!: readonly Condition[];

  @ApiProperty({ example: 'targetingKey' })
  bucketBy!: string;

  @ApiProperty({ example: 'new-checkout' })
  salt!: string;

  @ApiPosition()
  position!: RolloutPosition;

  @ApiProperty({ example: 'rollout-0192f4a1-6b1e-4c3d-9a55-5d0f5f5b1c11', description: "The flag's rule that is its." })
  ruleId!: string;

  @ApiProperty({ type: String, nullable: true, example: 'standard' })
  planKey!: string | null;

  @ApiProperty({ type: PlanDto, description: 'As it was at the start, with every default filled in.' })
  plan!: Plan;

  @ApiProperty({
    type: Number,
    nullable: true,
    example: 18,
    description: 'The version of the change that wrote the rule.',
  })
  epoch!: number | null;

  @ApiProperty({ type: [String], example: ['min_samples'], description: 'Why it stands where it stands; stable.' })
  reasons!: readonly string[];

  @ApiProperty({
    type: String,
    nullable: true,
    example: 'The canary has seen 312 of 500 requests of this stage.',
    description: 'The newest reason in a sentence with figures; of a rollback, why.',
  })
  detail!: string | null;

  @ApiProperty({ example: 'Stage 0 of 4, 1 %: baked 12m of 30m, 812 of 500 requests, 204 of 100 units.' })
  progress!: string;

  @ApiProperty({ example: 720_000, description: 'How long the stage has baked, in ms.' })
  bakedMs!: number;

  @ApiProperty({ type: SamplesDto, description: "Of this stage: the canary's requests and first exposures." })
  samples!: SamplesDto;

  @ApiProperty({ type: [ApprovalDto], example: [] })
  approvals!: readonly ApprovalDto[];

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'object' },
    example: { '0': { open: false, detail: 'https://ci.example.com says no.', at: '2026-11-23T10:00:00.000Z' } },
    description: 'What the webhook gates of this stage answered last, by their index among the gates ahead.',
  })
  gates!: RolloutDocument['gates'];

  @ApiProperty({
    type: 'object',
    additionalProperties: { type: 'object' },
    example: {},
    description: 'What outside judges said last, by source, and until when it holds.',
  })
  verdicts!: RolloutDocument['verdicts'];

  @ApiProperty({ type: [Number], example: [], description: 'Guardrails that a promotion has overridden, by index.' })
  overridden!: readonly number[];

  @ApiProperty({ enum: COMMANDS, isArray: true, example: ['pause', 'promote', 'rollback'] })
  allowed!: readonly RolloutCommand[];

  @ApiProperty({ type: String, nullable: true, example: null })
  startAt!: string | null;

  @ApiProperty({ type: String, nullable: true, example: '2026-11-23T10:00:00.000Z' })
  startedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null })
  endedAt!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null, description: 'Absolute limits are watched until then.' })
  watchUntil!: string | null;

  @ApiProperty({ type: ActorNameDto })
  startedBy!: ActorNameDto;

  @ApiProperty({ type: String, nullable: true, example: null })
  retryOf!: string | null;

  @ApiProperty({ example: 1, description: 'Counts transitions. Also the ETag.' })
  version!: number;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  createdAt!: string;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  updatedAt!: string;

  @ApiPropertyOptional({ type: SeenDto, description: 'Who serves it still; not in lists.' })
  seen?: SeenDto;

  @ApiPropertyOptional({ type: [StageForecastDto], description: 'Of a start: what each stage below 100 % can expect.' })
  forecast?: readonly StageForecastDto[];

  @ApiPropertyOptional({ type: [DocumentProblemDto], description: 'On writes.', example: [] })
  warnings?: readonly DocumentProblemDto[];
}

@DescribesConditions()
@ApiExtraModels(PlanDto)
export class StartRolloutDto extends CommentDto {
  @ApiProperty({ example: 'new-checkout' })
  @IsKey()
  flag!: string;

  @ApiProperty({ example: 'on', description: 'The variant that is tried.' })
  @IsKey()
  canary!: string;

  @ApiPropertyOptional({
    example: 'off',
    description:
      'The variant of the rest. Default: what the audience gets today, the off variant of a disabled flag, else the fallthrough.',
  })
  @MayBeAbsent()
  @IsKey()
  baseline?: string;

  @ApiConditions(false)
  @MayBeAbsent()
  @IsArray({ message: 'Expected a list of conditions' })
  audience?: Condition[];

  @ApiPosition()
  @MayBeAbsent()
  @IsPosition()
  position?: RolloutPosition;

  @ApiPropertyOptional({ example: 'targetingKey', default: 'targetingKey' })
  @MayBeAbsent()
  @IsText(200)
  bucketBy?: string;

  @ApiPropertyOptional({ description: "Default: the flag's key, so that a retry finds the same users." })
  @MayBeAbsent()
  @IsText(200)
  salt?: string;

  @ApiPropertyOptional({ default: false, description: 'A new draw: other users than last time.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  reshuffle?: boolean;

  @ApiProperty({
    oneOf: [{ type: 'string', example: 'standard' }, { $ref: getSchemaPath(PlanDto) }],
    example: 'standard',
    description: "standard, careful, quick, the key of one of the project's plans, or a plan.",
  })
  @IsPresent()
  plan!: unknown;

  @ApiPropertyOptional({
    example: 'pipeline-42',
    description: 'Chosen by the client; starting twice with one key is one rollout.',
  })
  @MayBeAbsent()
  @IsKey()
  externalKey?: string;

  @ApiPropertyOptional({
    default: false,
    description: 'Enables a disabled flag, with the baseline as its fallthrough.',
  })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  enable?: boolean;

  @ApiPropertyOptional({ example: '2099-01-01T09:00:00Z', description: 'Starts then, if its guards hold then.' })
  @MayBeAbsent()
  @IsInstant()
  startAt?: string;

  @ApiPropertyOptional({ default: false, description: 'Cancels the live rollout of this flag and takes its place.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  supersede?: boolean;

  @ApiPropertyOptional({ default: false, description: 'Also when others than the canary would change variant.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  acceptMoves?: boolean;

  @ApiPropertyOptional({ default: false, description: 'Also when another live rollout has the same users.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  sharedSalt?: boolean;

  @ApiPropertyOptional({ default: false, description: 'Answers what would happen, and saves nothing.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  dryRun?: boolean;
}

class RefusalDto {
  @ApiProperty({ example: 'moves_others' })
  code!: string;

  @ApiProperty({ example: 'The start would move units elsewhere than from baseline to canary.' })
  detail!: string;
}

class AskedRolloutDto extends OmitType(RolloutDto, ['audience']) {
  @ApiProperty({
    type: 'array',
    items: {},
    description: 'As it was asked for, whatever is wrong with it: elements may be anything.',
  })
  audience!: readonly Condition[];
}

export class StartPreviewDto {
  @ApiProperty({ type: [DocumentProblemDto], example: [] })
  problems!: readonly DocumentProblemDto[];

  @ApiProperty({ type: [DocumentProblemDto], example: [] })
  warnings!: readonly DocumentProblemDto[];

  @ApiProperty({ type: RefusalDto, nullable: true })
  refusal!: RefusalDto | null;

  @ApiProperty({ type: 'object', additionalProperties: true, nullable: true })
  whoMoves!: WhoMoves | null;

  @ApiProperty({ type: [StageForecastDto] })
  forecast!: readonly StageForecastDto[];

  @ApiProperty({ type: AskedRolloutDto })
  rollout!: AskedRolloutDto;
}

export class PromoteDto extends CommentDto {
  @ApiPropertyOptional({
    default: false,
    example: false,
    description: 'To everybody at once instead of to the next stage.',
  })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  full?: boolean;
}

export class CancelDto extends CommentDto {
  @ApiPropertyOptional({
    enum: ['current', 'baseline', 'canary'],
    default: 'baseline',
    description: 'What stays: the percentage as it is, the baseline or the canary for everybody.',
  })
  @MayBeAbsent()
  @IsIn(['current', 'baseline', 'canary'], { message: 'Expected one of current, baseline, canary' })
  keep?: Keep;
}

export class JumpDto extends CommentDto {
  @ApiProperty({ example: 1, minimum: 0, description: 'Counts from 0.' })
  @IsInt({ message: 'Expected a whole number' })
  @Min(0, { message: 'Expected at least 0' })
  @Max(1_000, { message: 'Expected at most 1,000' })
  stage!: number;
}

export class AcknowledgeDto {
  @ApiProperty({ example: 'known difference', description: 'Why; goes into the change log.', maxLength: 1_000 })
  @IsText(1_000)
  comment!: string;

  @ApiPropertyOptional({ default: false, description: 'In the warm-up: draw anew instead.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  reshuffle?: boolean;
}

export class RetryDto extends CommentDto {
  @ApiPropertyOptional({ default: false, description: 'With other users than last time.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  reshuffle?: boolean;

  @ApiPropertyOptional({ default: false, description: 'Enables the flag when it was disabled.' })
  @MayBeAbsent()
  @IsBoolean({ message: 'Expected true or false' })
  enable?: boolean;
}

export class VerdictDto extends CommentDto {
  @ApiProperty({ example: 'load-test', description: 'Who says so; a later word of the same source replaces it.' })
  @IsKey()
  source!: string;

  @ApiProperty({ enum: ['pass', 'fail', 'inconclusive'], example: 'pass' })
  @IsIn(['pass', 'fail', 'inconclusive'], { message: 'Expected one of pass, fail, inconclusive' })
  verdict!: 'pass' | 'fail' | 'inconclusive';

  @ApiProperty({ example: '10m', description: 'For how long it holds.' })
  @IsDuration()
  ttl!: string;

  @ApiProperty({ example: 'p99 within budget', maxLength: 1_000 })
  @IsText(1_000)
  reason!: string;
}

export class RolloutQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ description: 'Only rollouts of this flag.', example: 'new-checkout' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(100, { message: 'Expected at most 100 characters' })
  flag?: string;

  @ApiPropertyOptional({ enum: STATES })
  @IsOptional()
  @IsIn(STATES, { message: `Expected one of ${STATES.join(', ')}` })
  state?: RolloutState;
}

export class WaitQueryDto {
  @ApiPropertyOptional({
    type: String,
    default: 'terminal',
    example: 'stage:2',
    description: 'terminal, gate, or stage:N.',
  })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(20, { message: 'Expected at most 20 characters' })
  until = 'terminal';

  @ApiPropertyOptional({ type: String, default: '55s', example: '55s', description: 'At most 60s.' })
  @IsOptional()
  @IsString({ message: 'Expected one text' })
  @MaxLength(10, { message: 'Expected at most 10 characters' })
  timeout = '55s';
}

export class EventQueryDto extends PageQueryDto {
  @ApiPropertyOptional({ description: 'Only events after the one with this id; of a stream also Last-Event-ID.' })
  @IsOptional()
  @Type(() => String)
  @IsString({ message: 'Expected one text' })
  @MaxLength(20, { message: 'Expected at most 20 characters' })
  after?: string;
}

export class RolloutEventDto {
  @ApiProperty({ example: '42' })
  id!: string;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  at!: string;

  @ApiProperty({ example: 'advanced' })
  type!: string;

  @ApiProperty({ enum: STATES, example: 'running' })
  state!: RolloutState;

  @ApiProperty({ enum: [...PHASES, null], type: String, nullable: true, example: 'baking' })
  phase!: RolloutPhase | null;

  @ApiProperty({ example: 1 })
  stage!: number;

  @ApiProperty({ example: 5 })
  percentage!: number;

  @ApiProperty({ type: Number, nullable: true, example: 19 })
  epoch!: number | null;

  @ApiProperty({ type: String, nullable: true, example: 'stage_passed', description: 'Stable; branch on this.' })
  reason!: string | null;

  @ApiProperty({ type: String, nullable: true, example: 'Stage 0 is passed.' })
  detail!: string | null;

  @ApiProperty({ type: String, nullable: true, example: null })
  comment!: string | null;

  @ApiProperty({ type: ActorNameDto })
  actor!: ActorNameDto;
}

class SumsDto {
  @ApiProperty({ example: 1_290 })
  n!: number;

  @ApiProperty({ example: 31 })
  k!: number;
}

class CheckDto {
  @ApiProperty({ example: 0, description: 'Its index in the plan.' })
  guardrail!: number;

  @ApiProperty({ example: 'errors' })
  name!: string;

  @ApiProperty({ type: Number, nullable: true, example: 1.2, description: 'ln E.' })
  logE!: number | null;

  @ApiProperty({ type: Number, nullable: true, example: 3.69, description: 'ln of the limit.' })
  logLimit!: number | null;

  @ApiProperty({ type: SumsDto, nullable: true })
  canary!: SumsDto | null;

  @ApiProperty({ type: SumsDto, nullable: true })
  control!: SumsDto | null;

  @ApiProperty({ example: 'pass' })
  verdict!: string;
}

export class RolloutDecisionDto {
  @ApiProperty({ example: '42' })
  id!: string;

  @ApiProperty({ example: '2026-11-23T10:00:00.000Z' })
  at!: string;

  @ApiProperty({ example: 18 })
  epoch!: number;

  @ApiProperty({ example: 0 })
  stage!: number;

  @ApiProperty({ example: 1 })
  percentage!: number;

  @ApiProperty({ example: 'hold' })
  decision!: string;

  @ApiProperty({ type: [String], example: ['min_samples'] })
  reasons!: readonly string[];

  @ApiProperty({ example: '812 of 500 requests.' })
  detail!: string;

  @ApiProperty({ example: 720_000 })
  bakedMs!: number;

  @ApiProperty({ type: [CheckDto] })
  checks!: readonly CheckDto[];
}

class VerdictGuardrailDto {
  @ApiProperty({ example: 'errors' })
  metric!: string;

  @ApiProperty({ example: 'errors' })
  name!: string;

  @ApiProperty({ enum: ['rollback', 'hold', 'warn'], example: 'rollback' })
  action!: 'rollback' | 'hold' | 'warn';

  @ApiProperty({ type: Number, nullable: true, example: 1.2 })
  logE!: number | null;

  @ApiProperty({ type: Number, nullable: true, example: 3.69 })
  limit!: number | null;

  @ApiProperty({ type: SumsDto })
  canary!: SumsDto;

  @ApiProperty({ type: SumsDto })
  control!: SumsDto;

  @ApiProperty({ enum: ['pass', 'fail', 'inconclusive'], example: 'pass' })
  verdict!: 'pass' | 'fail' | 'inconclusive';
}

export class RolloutVerdictDto {
  @ApiProperty({ enum: ['pass', 'fail', 'inconclusive'], example: 'inconclusive' })
  verdict!: 'pass' | 'fail' | 'inconclusive';

  @ApiProperty({ example: false, description: 'The stage is passed; nothing but its gates holds it.' })
  advance!: boolean;

  @ApiProperty({ example: false })
  rolledBack!: boolean;

  @ApiProperty({ type: [String], example: ['unknown_rollout'] })
  reasons!: readonly string[];

  @ApiProperty({ type: String, nullable: true, example: null })
  rollout!: string | null;

  @ApiProperty({ enum: [...STATES, null], type: String, nullable: true, example: null })
  state!: RolloutState | null;

  @ApiProperty({ type: [VerdictGuardrailDto] })
  guardrails!: readonly VerdictGuardrailDto[];
}

export class PausedDto {
  @ApiProperty({ type: [RolloutDto] })
  items!: readonly RolloutDto[];
}
