import type { FlagType, JsonValue } from '@fledge/evaluation';
import type { FlagRow } from './entities/flag.entity.js';
import type { Targeting } from './entities/targeting.entity.js';
import { withoutMarks } from './rollouts/rule.js';

type Variants = Readonly<Record<string, JsonValue>>;

/** The variants of a boolean flag that brings none of its own. */
export const BOOLEAN_VARIANTS: Variants = { on: true, off: false };

/** What a new flag serves everywhere once enabled: of a boolean flag the variant that is true, else the first of the request. */
export function defaultVariantOf(type: FlagType, variants: Variants): string | null {
  if (type === 'boolean') return variantWith(variants, true, 'on');
  return Object.keys(variants)[0] ?? null;
}

/** What a flag serves while disabled: of a boolean flag the variant that is false, else the caller's default. */
const offVariantOf = (type: FlagType, variants: Variants): string | null =>
  type === 'boolean' ? variantWith(variants, false, 'off') : null;

/** How a flag stands in an environment where nobody has said anything about it: disabled, and for everyone once enabled. */
export function initialTargeting(flag: Pick<FlagRow, 'type' | 'variants' | 'defaultVariant'>): Targeting {
  return {
    enabled: false,
    offVariant: offVariantOf(flag.type, flag.variants),
    prerequisites: [],
    rules: [],
    fallthrough: flag.defaultVariant === null ? null : { variant: flag.defaultVariant },
  };
}

/** How a flag begins where a targeting is brought back or copied (undefined: there is none): whatever measured that one is gone. */
export const targetingFrom = (
  found: Targeting | undefined,
  flag: Pick<FlagRow, 'type' | 'variants' | 'defaultVariant'>,
): Targeting => (found === undefined ? initialTargeting(flag) : withoutMarks(found));

function variantWith(variants: Variants, value: boolean, preferred: string): string | null {
  if (Object.hasOwn(variants, preferred) && variants[preferred] === value) return preferred;
  return Object.keys(variants).find((key) => variants[key] === value) ?? null;
}
