import { createTestClient } from '@fledge/sdk/testing';
import { describe, expect, it } from 'vitest';
import { untyped } from './support/harness.js';

describe('a test client', () => {
  it('is ready at once and serves what it was given', async () => {
    const flags = createTestClient({ 'new-checkout': true, banner: 'loud', size: 20, limits: { max: 3 }, off: false });
    await flags.ready();
    expect(flags.status.state).toBe('ready');
    expect(flags.boolean('new-checkout', {}, false)).toBe(true);
    expect(flags.boolean('off', {}, true)).toBe(false);
    expect(flags.string('banner', {}, '')).toBe('loud');
    expect(flags.number('size', {}, 0)).toBe(20);
    expect(flags.object('limits', {}, {})).toEqual({ max: 3 });
    expect(flags.evaluate('new-checkout', {}, false)).toMatchObject({ value: true, variant: 'on', reason: 'STATIC' });
    expect(Object.keys(flags.evaluateAll({}))).toHaveLength(5);
    await flags.close();
  });

  it('gives the default for flags it was not given, like any client', () => {
    const flags = createTestClient();
    expect(flags.boolean('unknown', {}, true)).toBe(true);
    expect(flags.evaluate('unknown', {}, 'x')).toMatchObject({ value: 'x', errorCode: 'FLAG_NOT_FOUND' });
  });

  it('serves other values to contexts that have certain attributes, the last word winning', () => {
    const flags = createTestClient({ checkout: false, banner: 'plain' });
    flags.setFor({ country: 'DE' }, { checkout: true, banner: 'loud' });
    flags.setFor({ country: 'DE', plan: 'free' }, { checkout: false });
    flags.setFor({ targetingKey: 'user-7' }, { secret: true });
    expect(flags.boolean('checkout', { country: 'DE' }, false)).toBe(true);
    expect(flags.boolean('checkout', { country: 'DE', plan: 'free' }, true)).toBe(false);
    expect(flags.boolean('checkout', { country: 'FR' }, true)).toBe(false);
    expect(flags.string('banner', { country: 'DE', plan: 'free' }, '')).toBe('loud');
    expect(flags.boolean('secret', { targetingKey: 'user-7' }, false)).toBe(true);
    expect(flags.evaluate('secret', { targetingKey: 'user-8' }, false)).toMatchObject({
      value: false,
      reason: 'DEFAULT',
    });
  });

  it('can be changed while the code under test listens', () => {
    const flags = createTestClient({ checkout: false });
    const changes: unknown[] = [];
    flags.on('change', ({ flags: keys }) => changes.push(keys));
    flags.set({ checkout: true });
    flags.set({ banner: 'loud' });
    expect(changes).toEqual([['checkout'], ['banner']]);
    expect(flags.boolean('checkout', {}, false)).toBe(true);
  });

  it('remembers what it was asked', () => {
    const flags = createTestClient({ checkout: true });
    flags.boolean('checkout', { targetingKey: 'user-1' }, false);
    flags.string('missing', {}, 'x');
    flags.evaluateAll({});
    expect(flags.asked).toEqual([
      { key: 'checkout', context: { targetingKey: 'user-1' }, value: true },
      { key: 'missing', context: {} },
    ]);
    flags.forget();
    expect(flags.asked).toEqual([]);
  });

  it('refuses values that no flag can have and attributes it cannot compare', () => {
    expect(() => createTestClient({ a: null })).toThrow(TypeError);
    expect(() => createTestClient({ a: untyped(() => 1) })).toThrow('a: ');
    expect(() => createTestClient().setFor({ list: [1] }, { a: true })).toThrow('list: ');
  });

  it('runs the code that has the name of the text it serves, and has a variant for every text', async () => {
    const flags = createTestClient({ banner: 'loud' });
    flags.setFor({ country: 'DE' }, { banner: '' });
    const code = { plain: () => 'p', loud: () => 'l', other: () => 'o' };
    expect(flags.run('banner', {}, code)).toBe('l');
    expect(flags.run('banner', { country: 'DE' }, code)).toBe('o');
    expect(flags.string('banner', { country: 'DE' }, 'x')).toBe('');
    expect(flags.told).toMatchObject([{ variant: 'loud', metric: 'errors', failed: false }, { metric: 'latency' }]);
  });

  it('runs the code of the variant it serves, and remembers what it was told', async () => {
    const flags = createTestClient({ 'new-checkout': true });
    const context = { targetingKey: 'user-1' };
    expect(flags.run('new-checkout', context, { on: () => 'new', off: () => 'old' })).toBe('new');
    const broken = (): never => {
      throw new Error('broken');
    };
    expect(() => flags.run('new-checkout', context, { on: broken, off: () => 'old' })).toThrow('broken');
    const tracker = flags.track('new-checkout', context);
    tracker.count('cache', true);
    tracker.value('db', 3);
    tracker.ok();
    tracker.ok();
    const told = flags.told.map(({ metric, failed, ms }) => [metric, failed ?? (ms ?? -1) >= 0]);
    expect(told).toEqual([
      ['errors', false],
      ['latency', true],
      ['errors', true],
      ['latency', true],
      ['cache', true],
      ['db', true],
      ['errors', false],
    ]);
    expect(flags.told[0]).toEqual({ key: 'new-checkout', context, variant: 'on', metric: 'errors', failed: false });
    expect(flags.asked).toHaveLength(2);
    flags.forget();
    expect([flags.asked, flags.told]).toEqual([[], []]);
    await flags.close();
  });
});
