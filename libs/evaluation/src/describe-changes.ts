import { conditionsText, conditionText, gateText, prerequisiteText, serveText } from './describe.js';
import { isEqual } from './equal.js';
import { conditionKey } from './compare-conditions.js';
import type { Flag, Prerequisite, Rule } from './flag.js';

function arrow(name: string, before: string, after: string): string[] {
  return before === after ? [] : [`${name} ${before} → ${after}`];
}

function prerequisiteChanges(before: readonly Prerequisite[], after: readonly Prerequisite[]): string[] {
  const old = new Set(before.map(prerequisiteText));
  const now = new Set(after.map(prerequisiteText));
  return [
    ...[...old].filter((text) => !now.has(text)).map((text) => `prerequisite removed: ${text}`),
    ...[...now].filter((text) => !old.has(text)).map((text) => `prerequisite added: ${text}`),
  ];
}

function ruleText({ conditions, gate, serve }: Rule): string {
  const percentage = gate === undefined ? '' : `, gate ${gateText(gate)}`;
  return `${conditionsText(conditions)}${percentage}, serves ${serveText(serve)}`;
}

function enabledText(enabled: boolean | undefined): string {
  return enabled === false ? 'disabled' : 'enabled';
}

function ruleChanges(before: Rule, after: Rule): string[] {
  const [old, now] = [before, after].map(({ conditions }) => new Set(conditions.map(conditionKey)));
  const gone = before.conditions.filter((condition) => !now?.has(conditionKey(condition)));
  const come = after.conditions.filter((condition) => !old?.has(conditionKey(condition)));
  const changes = [
    ...arrow('is', enabledText(before.enabled), enabledText(after.enabled)),
    ...gone.map((condition) => `condition removed: ${conditionText(condition)}`),
    ...come.map((condition) => `condition added: ${conditionText(condition)}`),
    ...arrow('gate', gateText(before.gate), gateText(after.gate)),
    ...arrow('serves', serveText(before.serve), serveText(after.serve)),
    ...(before.description === after.description ? [] : ['description changed']),
    ...(isEqual(before.measure, after.measure) ? [] : ['mark of a rollout changed']),
  ];
  return changes.map((change) => `${after.id}: ${change}`);
}

function orderOf(rules: readonly Rule[], among: readonly Rule[]): string {
  const ids = new Set(among.map(({ id }) => id));
  return rules.flatMap(({ id }) => (ids.has(id) ? [id] : [])).join(', ');
}

function rulesChanges(before: readonly Rule[], after: readonly Rule[]): string[] {
  const old = new Map(before.map((rule) => [rule.id, rule]));
  const now = new Map(after.map((rule) => [rule.id, rule]));
  return [
    ...before.filter(({ id }) => !now.has(id)).map((rule) => `${rule.id}: removed (${ruleText(rule)})`),
    ...after.flatMap((rule) => {
      const previous = old.get(rule.id);
      return previous === undefined ? [`${rule.id}: added (${ruleText(rule)})`] : ruleChanges(previous, rule);
    }),
    ...arrow('order of rules:', orderOf(before, after), orderOf(after, before)),
  ];
}

function variantChanges(before: Flag['variants'], after: Flag['variants']): string[] {
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
  return keys.flatMap((key) => {
    if (!Object.hasOwn(after, key)) return [`variant ${key} removed`];
    if (!Object.hasOwn(before, key)) return [`variant ${key} added`];
    return isEqual(before[key], after[key]) ? [] : [`variant ${key}: value changed`];
  });
}

/**
 * What an edit of a flag changes, in words and in the order of evaluation: `germany: gate 25 % → 50 %`. Empty when
 * the edit changes nothing.
 */
export function describeChanges(before: Flag, after: Flag): string[] {
  const off = (variant: string | null): string => variant ?? "the caller's default";
  return [
    ...arrow('flag', enabledText(before.enabled), enabledText(after.enabled)),
    ...variantChanges(before.variants, after.variants),
    ...arrow('off variant', off(before.offVariant), off(after.offVariant)),
    ...prerequisiteChanges(before.prerequisites, after.prerequisites),
    ...rulesChanges(before.rules, after.rules),
    ...arrow('fallthrough', serveText(before.fallthrough), serveText(after.fallthrough)),
    ...(isEqual(before.metadata ?? {}, after.metadata ?? {}) ? [] : ['metadata changed']),
    ...(isEqual(before.measure, after.measure) ? [] : ['mark of a rollout changed']),
  ];
}
