import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patternProblem } from '@fledge/evaluation';

describe('patternProblem', () => {
  it.each([
    '',
    'abc',
    'a.c',
    '^a$',
    '[abc]',
    '[^abc]',
    '[a-z0-9_]',
    '[-a]',
    '[a-]',
    '[\\w.-]',
    '[\\]\\[]',
    '[$.*+?(){}|^]',
    '\\d\\w',
    '\\.\\*\\+\\?\\(\\)\\[\\]\\{\\}\\|\\/\\\\\\^\\$',
    'a/b',
    '(ab)',
    '(?:ab)',
    '((a)(b))',
    'a|b',
    '|a',
    '(a|)',
    'a*',
    'a+',
    'a?',
    'a{3}',
    'a{0,100}',
    'a{2,3}',
    '(ab)*',
    '(a|b)+',
    '(?:cat|dog)*',
    '(a+)?',
    '(\\.\\d+)?',
    '(a+){0,1}',
    '(a|ab)?',
    '(a|ab){2,3}',
    '(\\d|[a-f])+',
    '(é|à)+',
    '😀+',
    '[😀-😂]*',
    '(?:\\d+|\\w)',
    '^[^@]+@example\\.com$',
    '(ab|cd){1,5}',
    'a*b*c*',
    '-',
    ',',
    '=!<>:#&~%@`\'" ',
  ])('allows %s', (pattern) => {
    expect(patternProblem(pattern)).toBeUndefined();
  });

  it.each([
    ['a{2,}', 'from character 2'],
    ['a{,3}', 'no regular expression'],
    ['a{3,2}', 'no regular expression'],
    ['a{1,101}', 'more than 100'],
    ['a{101}', 'more than 100'],
    ['a{99999999999}', 'more than 100'],
    ['a*?', 'from character 3'],
    ['a+?', 'from'],
    ['a??', 'from'],
    ['a{2}?', 'from'],
    ['a**', 'no regular'],
    ['a*+', 'no regular'],
    ['*a', 'no regular'],
    ['^*', 'no regular'],
    ['$+', 'no regular'],
    ['\\s', 'from character 1'],
    ['\\S', 'from'],
    ['\\D', 'from'],
    ['\\W', 'from'],
    ['\\b', 'from'],
    ['\\B', 'from'],
    ['\\n', 'from'],
    ['\\t', 'from'],
    ['\\0', 'from'],
    ['\\x41', 'from'],
    ['\\u0041', 'from'],
    ['\\u{41}', 'from'],
    ['\\p{L}', 'from'],
    ['\\cA', 'from'],
    ['(a)\\1', 'from character 4'],
    ['(?<n>a)', 'from character 1'],
    ['(?=a)', 'from'],
    ['(?!a)', 'from'],
    ['(?<=a)', 'from'],
    ['(?<!a)', 'from'],
    ['(?i)a', 'no regular'],
    ['\\-', 'no regular'],
    ['\\a', 'no regular'],
    ['[]', 'from'],
    ['[^]', 'from'],
    ['[z-a]', 'no regular'],
    ['[[a]', 'from'],
    ['[a', 'no regular'],
    ['[\\s]', 'from'],
    ['[\\b]', 'from'],
    ['[\\d-z]', 'no regular'],
    ['(', 'no regular'],
    [')', 'no regular'],
    ['(a', 'no regular'],
    ['a)', 'no regular'],
    ['{', 'no regular'],
    ['}', 'no regular'],
    [']', 'no regular'],
    ['(a+)+', 'unbounded quantifier inside'],
    ['(a*)*', 'unbounded'],
    ['((a+)b)*', 'unbounded'],
    ['(a+){2,3}', 'unbounded'],
    ['((a+)?)*', 'unbounded'],
    ['(?:x(?:y*))+', 'unbounded'],
    ['(a|a)*', 'start alike'],
    ['(a|ab)+', 'start alike'],
    ['(\\w|a)*', 'start alike'],
    ['(.|a)*', 'start alike'],
    ['([a-m]|[l-z])+', 'start alike'],
    ['(a|)*', 'start alike'],
    ['(a?|b)*', 'start alike'],
    ['((a|ab)c)*', 'start alike'],
    ['(a|A)*', 'start alike'],
    ['(σ|ς)*', 'start alike'],
    ['(k|\u212a)*', 'start alike'],
    ['([^a]|b)*', 'start alike'],
    ['(a?b|b)*', 'start alike'],
    ['((a|ab)?)*', 'start alike'],
  ])('refuses %s: %s', (pattern, reason) => {
    expect(patternProblem(pattern)).toContain(reason);
  });

  it('counts 500 characters, not code units', () => {
    expect(patternProblem('😀'.repeat(500))).toBeUndefined();
    expect(patternProblem('a'.repeat(501))).toContain('500');
  });

  it('allows nothing that the engine would refuse, with or without regard to case', () => {
    const part = fc.constantFrom(
      'a',
      'b',
      '.',
      '\\d',
      '\\w',
      '\\.',
      '[a-c]',
      '[^x]',
      '(',
      ')',
      '(?:',
      '|',
      '*',
      '+',
      '?',
      '{2}',
      '{1,3}',
      '^',
      '$',
      '-',
      '{',
      '}',
      ']',
      '[',
      '\\',
      'é',
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 12 }), (parts) => {
        const pattern = parts.join('');
        if (patternProblem(pattern) !== undefined) return;
        expect(() => new RegExp(pattern, 'u')).not.toThrow();
        expect(() => new RegExp(pattern, 'iu')).not.toThrow();
      }),
      { numRuns: 2_000 },
    );
  });

  it('answers quickly for the longest patterns', () => {
    const started = performance.now();
    for (const pattern of [
      `(${'a|'.repeat(249)}b)*`,
      `${'('.repeat(249)}a${')'.repeat(249)}`,
      '(a|b)*'.repeat(83),
      `(${Array.from({ length: 120 }, (_, index) => String.fromCharCode(0x4e00 + index * 3)).join('|')})*`,
    ])
      patternProblem(pattern);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});
