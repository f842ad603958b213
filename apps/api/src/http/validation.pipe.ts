import { Injectable, type ArgumentMetadata, type PipeTransform } from '@nestjs/common';
import type { Problem } from '@fledge/evaluation';
import { plainToInstance } from 'class-transformer';
import { validateSync, type ValidationError } from 'class-validator';
import { RequestError } from './problem.js';

type Class = new () => object;

/**
 * Checks a body or query against its DTO and names every problem: unknown fields, wrong types, missing ones.
 * A body is copied field by field and never transformed: what a field holds is judged as it came.
 */
@Injectable()
export class DtoPipe implements PipeTransform {
  transform(value: unknown, { type, metatype }: ArgumentMetadata): unknown {
    if (type === 'param') refuseNameless(value);
    if (metatype === undefined || (type !== 'body' && type !== 'query') || BUILT_IN.has(metatype)) return value;
    return type === 'body' ? toBody(metatype as Class, value ?? {}) : toQuery(metatype as Class, value);
  }
}

const BUILT_IN: ReadonlySet<unknown> = new Set([Object, Array, String, Number, Boolean]);

/** Every problem of what a body holds at a place, judged as if it were a body of its own. */
export function problemsAt(pointer: string, metatype: Class, value: unknown): Problem[] {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return [{ pointer, code: 'wrong_type', message: 'Expected an object.' }];
  const { harmful, dto } = instanceOf(metatype, value);
  const problems = [...harmful.map((name) => unknownField(`/${name}`)), ...problemsOf(dto)];
  return problems.map((each) => ({ ...each, pointer: `${pointer}${each.pointer}` }));
}

function toBody(metatype: Class, value: unknown): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new RequestError(422, 'invalid', 'Expected a JSON object as the body.', {
      errors: [
        {
          pointer: '',
          code: 'wrong_type',
          message: `Expected an object, got ${Array.isArray(value) ? 'an array' : JSON.stringify(value)}.`,
        },
      ],
    });
  }
  const { harmful, dto } = instanceOf(metatype, value);
  refuse(422, 'invalid', [...harmful.map((name) => unknownField(`/${name}`)), ...problemsOf(dto)]);
  return dto;
}

/** class-validator finds its rules through `constructor` and takes other members of every object for known fields. */
function instanceOf(metatype: Class, value: object): { harmful: string[]; dto: object } {
  const harmful = Object.keys(value).filter((name) => name in Object.prototype);
  const harmless = Object.entries(value).filter(([name]) => !harmful.includes(name));
  return { harmful, dto: Object.assign(new metatype(), Object.fromEntries(harmless)) };
}

function toQuery(metatype: Class, value: unknown): object {
  const unreadable = Object.entries(value ?? {})
    .filter(([, text]) => String(text).includes('\0'))
    .map(([name]): Problem => ({ pointer: pointerTo('', name), code: 'format', message: 'Expected no U+0000.' }));
  refuse(400, 'bad_request', unreadable);
  const dto = plainToInstance(metatype, value);
  refuse(400, 'bad_request', problemsOf(dto));
  return dto;
}

/** Postgres cannot even look for a text with U+0000 in it. */
function refuseNameless(value: unknown): void {
  const names: unknown[] = typeof value === 'object' && value !== null ? Object.values(value) : [value];
  if (names.some((name) => String(name).includes('\0')))
    throw new RequestError(404, 'not_found', 'Nothing has a name with U+0000 in it.');
}

/** @throws RequestError with every problem, if there is any */
export function refuse(status: number, code: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  throw new RequestError(status, code, summary(problems), { errors: problems });
}

const summary = ([first, ...more]: readonly Problem[]): string =>
  `${first?.pointer ?? ''}: ${first?.message ?? ''}${more.length > 0 ? ` (and ${more.length} more)` : ''}`;

const problemsOf = (dto: object): Problem[] =>
  validateSync(dto, { whitelist: true, forbidNonWhitelisted: true, forbidUnknownValues: true }).flatMap((error) =>
    flatten(error, ''),
  );

function flatten(error: ValidationError, parent: string): Problem[] {
  const pointer = pointerTo(parent, error.property);
  const own = Object.entries(error.constraints ?? {}).map(([constraint, message]): Problem =>
    constraint === 'whitelistValidation'
      ? unknownField(pointer)
      : { pointer, code: CODES[constraint] ?? 'invalid', message: `${message}.` },
  );
  return [...decisive(own, error.value), ...(error.children ?? []).flatMap((child) => flatten(child, pointer))];
}

/** What is missing or of the wrong type breaks every further rule, and nobody learns from hearing them all. */
function decisive(problems: readonly Problem[], value: unknown): readonly Problem[] {
  const wrongType = problems.find(({ code }) => code === 'wrong_type');
  const told = wrongType === undefined ? problems : [wrongType];
  return value === undefined ? told.slice(0, 1).map((problem) => ({ ...problem, code: 'missing' })) : told;
}

const pointerTo = (parent: string, name: string): string =>
  `${parent}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;

const unknownField = (pointer: string): Problem => ({
  pointer,
  code: 'unknown_field',
  message: 'Expected no field of this name.',
});

/** class-validator's names for what it checked, in ours. */
const CODES: Readonly<Record<string, string>> = {
  isString: 'wrong_type',
  isBoolean: 'wrong_type',
  isInt: 'wrong_type',
  isObject: 'wrong_type',
  isArray: 'wrong_type',
  isPercentage: 'out_of_range',
  isDuration: 'format',
  isPosition: 'unknown_value',
  isIn: 'unknown_value',
  isInstant: 'format',
  matches: 'format',
  maxLength: 'too_long',
  minLength: 'too_short',
  max: 'too_large',
  min: 'too_small',
  arrayMaxSize: 'too_many',
};
