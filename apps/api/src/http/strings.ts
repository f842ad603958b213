import { applyDecorators } from '@nestjs/common';
import { parseDuration } from '@fledge/canary';
import { KEY_PATTERN } from '@fledge/evaluation';
import {
  ArrayMaxSize,
  IsArray,
  IsString,
  Matches,
  MaxLength,
  ValidateBy,
  ValidateIf,
  isISO8601,
} from 'class-validator';

/** What keys look like; `.` and `..` cannot match. */
export const IsKey = (each = false) =>
  applyDecorators(
    Matches(KEY_PATTERN, {
      each,
      message: 'Expected 1 to 100 letters, digits, dots, underscores or hyphens, beginning with a letter or digit',
    }),
  );

/** A text that Postgres can keep: no U+0000, no lone surrogates. */
export const IsText = (most: number, each = false) =>
  applyDecorators(
    IsString({ each, message: 'Expected a text' }),
    MaxLength(most, { each, message: `Expected at most ${most.toLocaleString('en')} characters` }),
    // oxlint-disable-next-line no-control-regex -- U+0000 is the very thing that is refused
    Matches(/^(?:[^\u0000\uD800-\uDFFF]|[\u{10000}-\u{10FFFF}])*$/u, {
      each,
      message: 'Expected no U+0000 and no lone surrogate',
    }),
  );

export const IsTexts = (count: number, most: number) =>
  applyDecorators(
    IsArray({ message: 'Expected a list of texts' }),
    ArrayMaxSize(count, { message: `Expected at most ${count.toLocaleString('en')} items` }),
    IsText(most, true),
  );

/** The tags of a flag, or of a key that sees the flags with one of them. */
export const IsTags = () => IsTexts(50, 100);

const INSTANT =
  /^(?!0000)\d{4}-\d\d-\d\d[Tt](?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?(?:[Zz]|[+-](?:0\d|1[0-4]):[0-5]\d)$/;

/** An RFC 3339 date-time with its zone, of a day that exists. */
export const IsInstant = () =>
  ValidateBy({
    name: 'isInstant',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'string' && INSTANT.test(value) && isISO8601(value.toUpperCase(), { strict: true }),
      defaultMessage: () => 'Expected an RFC 3339 date-time with a zone, such as 2026-11-23T10:00:00Z',
    },
  });

/** 0 to 100 with at most three decimals. class-validator's own check of decimals fails on numbers like 1e-7. */
export const IsPercentage = () =>
  ValidateBy({
    name: 'isPercentage',
    validator: {
      validate: (value: unknown) =>
        typeof value === 'number' && value >= 0 && value <= 100 && Math.round(value * 1_000) / 1_000 === value,
      defaultMessage: () => 'Expected a number from 0 to 100 with at most three decimals',
    },
  });

/** "90s", "30m", "4h", "2d". */
export const IsDuration = () =>
  ValidateBy({
    name: 'isDuration',
    validator: {
      validate: (value: unknown) => parseDuration(value) !== undefined,
      defaultMessage: () => 'Expected a duration such as 90s, 30m, 4h or 2d, of at most 365 days',
    },
  });

/** "first", "last", or { before: the id of a rule }. */
export const IsPosition = () =>
  ValidateBy({
    name: 'isPosition',
    validator: {
      validate: (value: unknown) =>
        value === 'first' ||
        value === 'last' ||
        (typeof value === 'object' &&
          value !== null &&
          Object.keys(value).join() === 'before' &&
          'before' in value &&
          typeof value.before === 'string'),
      defaultMessage: () => 'Expected "first", "last" or {"before": "the id of a rule"}',
    },
  });

/** May be left out, but not be null: null is a value like any other, and of the wrong type. */
export const MayBeAbsent = () => ValidateIf((_dto: object, value: unknown) => value !== undefined);

/** Present, be it as null: what it holds is judged by the validator of documents. */
export const IsPresent = () =>
  ValidateBy({
    name: 'isPresent',
    validator: {
      validate: (value: unknown) => value !== undefined,
      defaultMessage: () => 'Expected this field to be present',
    },
  });
