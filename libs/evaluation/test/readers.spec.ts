import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { fold, jsonNumber } from '../src/text.js';
import { instant } from '../src/instant.js';
import { address } from '../src/address.js';
import { semver } from '../src/semver.js';

describe('reading texts', () => {
  it('folds every code point as its own lower case, unless that were several', () => {
    const points = Array.from({ length: 0x110000 }, (_, code) => String.fromCodePoint(code));
    const expected = points.map((point) =>
      Array.from(point.toLowerCase()).length === 1 ? point.toLowerCase() : point,
    );
    for (let from = 0; from < points.length; from += 0x1000) {
      const [some, wanted] = [points.slice(from, from + 0x1000), expected.slice(from, from + 0x1000)];
      expect(fold(some.join('.'))).toBe(wanted.join('.'));
    }
    expect(fold('ΟΔΟΣ')).toBe('οδοσ');
  });

  it('reads a number exactly when JSON does', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.double().map(String),
          fc.string({ unit: fc.constantFrom('0', '1', '9', '-', '+', '.', 'e', 'E', ' ', 'x') }),
        ),
        (text) => {
          let parsed: unknown;
          try {
            parsed = text.trim() === text ? JSON.parse(text) : undefined;
          } catch {
            parsed = undefined;
          }
          expect(jsonNumber(text)).toBe(typeof parsed === 'number' ? parsed : undefined);
        },
      ),
      { numRuns: 2_000 },
    );
  });

  it('reads an instant as Date does, from year 0 to 9999', () => {
    const year0 = -62_167_219_200_000;
    const texts = Array.from({ length: 20_000 }, (_, index) => new Date(year0 + index * 15_778_462_981).toISOString());
    expect(texts.map(instant)).toEqual(texts.map((text) => Date.parse(text)));
  });

  it('refuses every day that does not exist', () => {
    const two = (number: number): string => String(number).padStart(2, '0');
    const days = [1900, 2000, 2023, 2024].flatMap((year) =>
      Array.from({ length: 14 * 33 }, (_, index) => `${year}-${two(Math.floor(index / 33))}-${two(index % 33)}`),
    );
    const exists = (day: string): boolean =>
      !Number.isNaN(Date.parse(day)) && new Date(day).toISOString().startsWith(day);
    expect(days.filter((day) => instant(`${day}T00:00:00Z`) !== undefined)).toEqual(days.filter(exists));
  });

  it('orders versions by the text it makes of them', () => {
    const ordered = [
      '0.0.0-0',
      '0.0.0',
      '0.0.1',
      '0.1.0',
      '0.9.0',
      '0.10.0',
      '1.0.0-1',
      '1.0.0-2',
      '1.0.0-10',
      '1.0.0-A',
      '1.0.0-a',
      '1.0.0-a.0',
      '1.0.0-a.a',
      '1.0.0-a-',
      '1.0.0-a0',
      '1.0.0',
      '1.0.1',
      '2',
      '10',
      '100',
    ];
    const texts = ordered.map((version) => semver(version) ?? '');
    expect(texts.toSorted()).toEqual(texts);
    expect(new Set(texts).size).toBe(ordered.length);
  });

  it('takes no longer than is reasonable for hostile texts', () => {
    const started = performance.now();
    for (const text of [
      '1'.repeat(100_000),
      `1-${'a.'.repeat(50_000)}`,
      `1-${'1'.repeat(100_000)}!`,
      ':'.repeat(100_000),
      `${'a'.repeat(100_000)}:`,
      `2026-11-23T10:00:00.${'1'.repeat(100_000)}`,
      `-${'0'.repeat(100_000)}`,
    ]) {
      semver(text);
      address(text);
      instant(text);
      jsonNumber(text);
      fold(text);
    }
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
