import type { Rule } from '@fledge/evaluation';
import type { FlagRow } from './entities/flag.entity.js';
import type { Targeting } from './entities/targeting.entity.js';
import { refuseProblems } from './errors.js';

export type Percentage = {
  readonly percentage: number;
  readonly variant?: string | undefined;
  readonly bucketBy?: string | undefined;
  /** Default true: the call turns the flag on. */
  readonly enable?: boolean | undefined;
};

/** The id of the one rule that the percentage command owns. */
const PERCENTAGE_RULE = 'percentage';

/**
 * The document with a last rule that gives this share of units the variant, and everybody else the off variant.
 * @throws DomainError `invalid` when no variant is named and none is obvious
 */
export function withPercentage(current: Targeting, flag: FlagRow, wanted: Percentage): Targeting {
  const earlier = current.rules.find((rule) => rule.id === PERCENTAGE_RULE);
  const variant = wanted.variant ?? variantOf(earlier) ?? (flag.type === 'boolean' ? trueVariant(flag) : undefined);
  if (variant === undefined) {
    refuseProblems([
      {
        pointer: '/variant',
        code: 'missing',
        message: `Expected the variant to serve, one of ${Object.keys(flag.variants).join(', ')}: only a boolean flag has an obvious one.`,
      },
    ]);
    return current;
  }
  const bucketBy = wanted.bucketBy ?? earlier?.gate?.bucketBy;
  const salt = earlier?.gate?.salt;
  const rule: Rule = {
    id: PERCENTAGE_RULE,
    conditions: [],
    gate: {
      percentage: wanted.percentage,
      ...(bucketBy === undefined ? {} : { bucketBy }),
      ...(salt === undefined ? {} : { salt }),
    },
    serve: { variant },
  };
  return {
    ...current,
    enabled: current.enabled || wanted.enable !== false,
    rules: [...current.rules.filter(({ id }) => id !== PERCENTAGE_RULE), rule],
    fallthrough: current.offVariant === null ? null : { variant: current.offVariant },
  };
}

const variantOf = (rule: Rule | undefined): string | undefined =>
  rule !== undefined && 'variant' in rule.serve ? rule.serve.variant : undefined;

const trueVariant = (flag: FlagRow): string | undefined =>
  Object.hasOwn(flag.variants, 'on') ? 'on' : Object.keys(flag.variants).find((key) => flag.variants[key] === true);
