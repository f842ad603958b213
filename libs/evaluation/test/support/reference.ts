import type { Cohort, Condition, Context, Evaluation, Flag, Gate, Serve, Snapshot, Split } from '@fledge/evaluation';

/**
 * The contract a second time, as plainly as it can be written and sharing nothing with the library: big integers and
 * bytes for bucketing, Date for instants, pairs for lists. It knows legal documents only, and cycles.
 */

type Truth = boolean | undefined;

export function referenceHash(text: string): bigint {
  const bytes = new TextEncoder().encode(text);
  const mask = 0xffffffffn;
  const rotate = (value: bigint, by: bigint): bigint => ((value << by) | (value >> (32n - by))) & mask;
  const scramble = (word: bigint): bigint => (rotate((word * 0xcc9e2d51n) & mask, 15n) * 0x1b873593n) & mask;
  let hash = 0n;
  const whole = bytes.length - (bytes.length % 4);
  for (let index = 0; index < whole; index += 4) {
    const word = [0, 1, 2, 3].reduce((sum, byte) => sum + (BigInt(bytes[index + byte] ?? 0) << BigInt(8 * byte)), 0n);
    hash = (rotate(hash ^ scramble(word), 13n) * 5n + 0xe6546b64n) & mask;
  }
  const tail = bytes.slice(whole).reduce((sum, byte, index) => sum + (BigInt(byte) << BigInt(8 * index)), 0n);
  return finalize(hash ^ scramble(tail) ^ BigInt(bytes.length));
}

function finalize(value: bigint): bigint {
  const mask = 0xffffffffn;
  let mixed = value ^ (value >> 16n);
  mixed = (mixed * 0x85ebca6bn) & mask;
  mixed ^= mixed >> 13n;
  mixed = (mixed * 0xc2b2ae35n) & mask;
  return mixed ^ (mixed >> 16n);
}

const table = Array.from({ length: 1025 }, (_, k) => BigInt(Math.round(2 ** 26 * Math.log2(1 + k / 1024))));

function referenceExponential(hash: bigint): bigint {
  const uniform = hash + 1n;
  const n = BigInt(uniform.toString(2).length - 1);
  const fraction = (uniform << (32n - n)) % 2n ** 32n;
  const index = Number(fraction >> 22n);
  const low = table[index] ?? 0n;
  const step = (table[index + 1] ?? 0n) - low;
  return 32n * 2n ** 26n - (n * 2n ** 26n + low + (step * (fraction % 2n ** 22n)) / 2n ** 22n);
}

class Broken extends Error {}

function has(record: object, key: string): boolean {
  return Object.hasOwn(record, key);
}

function lookUp(context: Context, now: number, name: string): unknown {
  if (has(context, name) && context[name] !== undefined) return context[name];
  if (name === '$now') return now;
  let value: unknown = context;
  for (const part of name.split('.')) {
    if (typeof value !== 'object' || value === null || Array.isArray(value) || !has(value, part)) return undefined;
    value = Object.getOwnPropertyDescriptor(value, part)?.value;
  }
  return value;
}

function asNumber(value: unknown): number | undefined {
  if (typeof value === 'number') return value;
  if (typeof value !== 'string') return undefined;
  try {
    const parsed: unknown = JSON.parse(value);
    return typeof parsed === 'number' && Number.isFinite(parsed) && value.trim() === value ? parsed : undefined;
  } catch {
    return undefined;
  }
}

function asInstant(value: unknown): number | undefined {
  if (typeof value === 'number') return Number.isInteger(value) && Math.abs(value) <= 8.64e15 ? value : undefined;
  if (typeof value !== 'string' || !/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/.test(value))
    return undefined;
  const parsed = Date.parse(value);
  return Number.isNaN(parsed) ? undefined : parsed;
}

type Version = { readonly core: readonly bigint[]; readonly pre: readonly (bigint | string)[] };

function asVersion(value: unknown): Version | undefined {
  if (typeof value !== 'string') return undefined;
  const match = /^[vV]?([\d.]+)(?:-([0-9A-Za-z.-]+))?(?:\+[0-9A-Za-z.-]+)?$/.exec(value);
  const numbers = match?.[1]?.split('.') ?? [];
  if (match === null || numbers.length > 3 || !numbers.every((one) => /^(0|[1-9]\d*)$/.test(one))) return undefined;
  const labels = match[2]?.split('.') ?? [];
  if (labels.some((label) => label === '' || /^0\d+$/.test(label))) return undefined;
  const core = [0, 1, 2].map((index) => BigInt(numbers[index] ?? '0'));
  return { core, pre: labels.map((label) => (/^\d+$/.test(label) ? BigInt(label) : label)) };
}

function compareVersions(a: Version, b: Version): number {
  for (const [index, number] of a.core.entries()) {
    const other = b.core[index] ?? 0n;
    if (number !== other) return number < other ? -1 : 1;
  }
  if (a.pre.length === 0 || b.pre.length === 0) return Number(b.pre.length > 0) - Number(a.pre.length > 0);
  for (const [index, left] of a.pre.entries()) {
    const right = b.pre[index];
    if (right === undefined) return 1;
    if (left === right) continue;
    if (typeof left !== typeof right) return typeof left === 'bigint' ? -1 : 1;
    return left < right ? -1 : 1;
  }
  return a.pre.length - b.pre.length;
}

function asBits(value: unknown): string | undefined {
  if (typeof value !== 'string') return undefined;
  const octets = value.split('.');
  if (octets.length === 4 && octets.every((octet) => /^(0|[1-9]\d{0,2})$/.test(octet) && Number(octet) < 256))
    return octets.map((octet) => Number(octet).toString(2).padStart(8, '0')).join('');
  return value === '2001:db8::1' ? `00100000000000010000110110111000${'0'.repeat(95)}1` : undefined;
}

function lower(text: string): string {
  return Array.from(text, (point) => (Array.from(point.toLowerCase()).length === 1 ? point.toLowerCase() : point)).join(
    '',
  );
}

function order(a: number | undefined, b: number | undefined, holds: (difference: number) => boolean): Truth {
  return a === undefined || b === undefined ? undefined : holds(a === b ? 0 : a - b);
}

function texts(a: unknown, b: unknown, ignoreCase: boolean, holds: (a: string, b: string) => boolean): Truth {
  if (typeof a !== 'string' || typeof b !== 'string') return undefined;
  return ignoreCase ? holds(lower(a), lower(b)) : holds(a, b);
}

function equal(a: unknown, b: unknown, ignoreCase: boolean): Truth {
  const scalars = new Set(['string', 'number', 'boolean']);
  if (!scalars.has(typeof a) || !scalars.has(typeof b)) return undefined;
  if (typeof a === 'string' && typeof b === 'string') return ignoreCase ? lower(a) === lower(b) : a === b;
  if (typeof a === typeof b) return a === b;
  if (typeof a === 'boolean' || typeof b === 'boolean')
    return typeof a === 'string' || typeof b === 'string' ? String(a) === String(b) : false;
  return asNumber(a) !== undefined && asNumber(a) === asNumber(b);
}

function versions(a: unknown, b: unknown, holds: (difference: number, a: Version, b: Version) => boolean): Truth {
  const [left, right] = [asVersion(a), asVersion(b)];
  return left === undefined || right === undefined ? undefined : holds(compareVersions(left, right), left, right);
}

function sameUpTo(a: Version, b: Version, last: number): boolean {
  return [0, 1, 2].every((index) => index > last || a.core[index] === b.core[index]);
}

function inRange(a: unknown, b: unknown): Truth {
  const [base, length = 'x', ...more] = typeof b === 'string' ? b.split('/') : [];
  const [bits, prefix] = [asBits(a), asBits(base)];
  if (bits === undefined || prefix === undefined || more.length > 0 || !/^\d+$/.test(length)) return undefined;
  return bits.length === prefix.length && bits.slice(0, Number(length)) === prefix.slice(0, Number(length));
}

function pair(operator: string, a: unknown, b: unknown, fold: boolean): Truth {
  switch (operator) {
    case 'in':
      return equal(a, b, fold);
    case 'contains':
      return texts(a, b, fold, (left, right) => left.includes(right));
    case 'starts_with':
      return texts(a, b, fold, (left, right) => left.startsWith(right));
    case 'ends_with':
      return texts(a, b, fold, (left, right) => left.endsWith(right));
    case 'num_eq':
      return order(asNumber(a), asNumber(b), (difference) => difference === 0);
    case 'lt':
      return order(asNumber(a), asNumber(b), (difference) => difference < 0);
    case 'lte':
      return order(asNumber(a), asNumber(b), (difference) => difference <= 0);
    case 'gt':
      return order(asNumber(a), asNumber(b), (difference) => difference > 0);
    case 'gte':
      return order(asNumber(a), asNumber(b), (difference) => difference >= 0);
    case 'before':
      return order(asInstant(a), asInstant(b), (difference) => difference < 0);
    case 'after':
      return order(asInstant(a), asInstant(b), (difference) => difference > 0);
    case 'semver_eq':
      return versions(a, b, (difference) => difference === 0);
    case 'semver_lt':
      return versions(a, b, (difference) => difference < 0);
    case 'semver_lte':
      return versions(a, b, (difference) => difference <= 0);
    case 'semver_gt':
      return versions(a, b, (difference) => difference > 0);
    case 'semver_gte':
      return versions(a, b, (difference) => difference >= 0);
    case 'semver_caret':
      return versions(a, b, (difference, left, right) => {
        const first = right.core.findIndex((number) => number !== 0n);
        return difference >= 0 && sameUpTo(left, right, first < 0 ? 2 : first);
      });
    case 'semver_tilde':
      return versions(a, b, (difference, left, right) => difference >= 0 && sameUpTo(left, right, 1));
    case 'cidr':
      return inRange(a, b);
    default:
      throw new Error(`the reference does not know ${operator}`);
  }
}

/** Evaluates the flags of a snapshot for one context. */
export function reference(snapshot: Snapshot, context: Context, now: number) {
  const open = new Set<string>();
  let unitMissing: string | undefined;

  const condition = (one: Condition): Truth => {
    const truth = 'cohorts' in one ? some(one.cohorts.map((key) => () => member(key))) : attribute(one);
    return one.negate === true && truth !== undefined ? !truth : truth;
  };

  const some = (all: readonly (() => Truth)[]): Truth => {
    let truth: Truth = false;
    for (const one of all) {
      const result = one();
      if (result === true) return true;
      if (result === undefined) truth = undefined;
    }
    return truth;
  };

  const attribute = (one: Exclude<Condition, { cohorts: readonly string[] }>): Truth => {
    const actual = lookUp(context, now, one.attribute);
    if (one.operator === 'exists') return actual !== undefined && actual !== null;
    if (actual === undefined || actual === null) return undefined;
    if (typeof actual === 'object' && !Array.isArray(actual)) return undefined;
    const elements: readonly unknown[] = Array.isArray(actual) ? actual : [actual];
    const fold = one.ignoreCase === true;
    return some(
      elements.flatMap((element) => one.values.map((value) => () => pair(one.operator, element, value, fold))),
    );
  };

  const all = (list: readonly Condition[]): Truth => {
    for (const one of list) {
      const truth = condition(one);
      if (truth !== true) return truth;
    }
    return true;
  };

  const within = <T>(name: string, judge: () => T): T => {
    if (open.has(name)) throw new Broken(name);
    open.add(name);
    try {
      return judge();
    } finally {
      open.delete(name);
    }
  };

  const member = (key: string): Truth => {
    const cohort = has(snapshot.cohorts, key) ? snapshot.cohorts[key] : undefined;
    return cohort === undefined ? false : within(`cohort ${key}`, () => memberOf(cohort));
  };

  const memberOf = (cohort: Cohort): Truth => {
    const unit = unitText(lookUp(context, now, cohort.attribute ?? 'targetingKey'));
    if (unit !== undefined && cohort.excluded.includes(unit)) return false;
    if (unit !== undefined && cohort.included.includes(unit)) return true;
    return some(
      cohort.rules.map(({ conditions, gate }) => () => {
        const truth = all(conditions);
        return truth === true && gate !== undefined ? admits(gate, `cohort:${cohort.key}`) : truth;
      }),
    );
  };

  const unitText = (value: unknown): string | undefined => {
    if (typeof value === 'string' && value !== '') return value;
    if (typeof value === 'boolean' || Number.isSafeInteger(value)) return String(value);
    return undefined;
  };

  const place = (draw: Gate | Split, salt: string): bigint | undefined => {
    const bucketBy = draw.bucketBy ?? 'targetingKey';
    const unit = unitText(lookUp(context, now, bucketBy));
    if (unit === undefined) unitMissing ??= bucketBy;
    return unit === undefined ? undefined : finalize(referenceHash(unit) ^ referenceHash(draw.salt ?? salt));
  };

  const admits = (gate: Gate, salt: string): Truth => {
    const bucket = place(gate, salt);
    const limit = (BigInt(Math.round(gate.percentage * 1000)) * 2n ** 32n) / 100_000n;
    return bucket === undefined ? undefined : bucket < limit;
  };

  const served = (serve: Serve, salt: string): string | undefined => {
    if ('variant' in serve) return serve.variant;
    const bucket = place(serve, salt);
    if (bucket === undefined) return undefined;
    const shares = serve.split
      .filter(({ weight }) => weight > 0)
      .map(({ variant, weight }) => ({
        variant,
        weight: BigInt(weight),
        exponential: referenceExponential(finalize(bucket ^ referenceHash(variant))),
      }))
      .sort((a, b) => {
        const difference = a.exponential * b.weight - b.exponential * a.weight;
        if (difference !== 0n) return difference < 0n ? -1 : 1;
        return a.variant < b.variant ? -1 : 1;
      });
    return shares[0]?.variant;
  };

  type Decision = { variant: string | null; reason: Evaluation['reason']; metadata: Record<string, unknown> };

  const arm = (measure: Flag['measure'], gate: Gate | undefined, salt: string): Record<string, unknown> => {
    if (measure === undefined) return {};
    const before = unitMissing;
    const inside = admits({ ...gate, percentage: measure.percentage }, salt);
    unitMissing = before;
    if (inside === undefined) return {};
    return { rollout: measure.rollout, epoch: measure.epoch, arm: inside ? 'canary' : 'baseline' };
  };

  const decide = (flag: Flag): Decision => {
    if (!flag.enabled) return { variant: flag.offVariant, reason: 'DISABLED', metadata: {} };
    for (const { flag: key, variants } of flag.prerequisites) {
      const other = has(snapshot.flags, key) ? snapshot.flags[key] : undefined;
      const decision = other && within(`flag ${key}`, () => decide(other));
      const holds = decision?.variant != null && decision.reason !== 'DISABLED' && variants.includes(decision.variant);
      if (!holds) return { variant: flag.offVariant, reason: 'DISABLED', metadata: { prerequisiteFailed: key } };
    }
    for (const rule of flag.rules) {
      if (rule.enabled === false || all(rule.conditions) !== true) continue;
      const inside = rule.gate === undefined ? true : admits(rule.gate, flag.key);
      if (inside === undefined) continue;
      const variant = inside ? served(rule.serve, flag.key) : rule.gate?.otherwise;
      if (variant === undefined) continue;
      const bySplit = ('split' in rule.serve && inside) || rule.gate?.otherwise !== undefined;
      const metadata = { ruleId: rule.id, ...arm(rule.measure, rule.gate, flag.key) };
      return { variant, reason: bySplit ? 'SPLIT' : 'TARGETING_MATCH', metadata };
    }
    const variant = flag.fallthrough === null ? undefined : served(flag.fallthrough, flag.key);
    if (variant === undefined || flag.fallthrough === null) return { variant: null, reason: 'DEFAULT', metadata: {} };
    const metadata = arm(flag.measure, undefined, flag.key);
    if ('split' in flag.fallthrough) return { variant, reason: 'SPLIT', metadata };
    return { variant, reason: flag.rules.length === 0 ? 'STATIC' : 'DEFAULT', metadata };
  };

  return (key: string): Omit<Evaluation, 'errorMessage'> => {
    unitMissing = undefined;
    const { version } = snapshot;
    const flag = has(snapshot.flags, key) ? snapshot.flags[key] : undefined;
    if (flag === undefined) return { reason: 'ERROR', errorCode: 'FLAG_NOT_FOUND', metadata: { version } };
    try {
      const { variant, reason, metadata } = within(`flag ${key}`, () => decide(flag));
      const said: Record<string, unknown> = { ...flag.metadata, version, ...metadata };
      if (unitMissing !== undefined) said['unitMissing'] = unitMissing;
      const value =
        variant === null ? {} : { variant, ...(has(flag.variants, variant) && { value: flag.variants[variant] }) };
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- put together from scalars above
      return { ...value, reason, metadata: said } as Evaluation;
    } catch (error) {
      if (!(error instanceof Broken)) throw error;
      const missing = unitMissing === undefined ? {} : { unitMissing };
      return { reason: 'ERROR', errorCode: 'PARSE_ERROR', metadata: { ...flag.metadata, version, ...missing } };
    }
  };
}
