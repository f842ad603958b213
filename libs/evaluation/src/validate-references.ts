import { refuse, unexpected } from './checks.js';
import type { Report } from './checks.js';
import { isText } from './json.js';

/** The keys that the document of a key names; undefined when there is no such document. */
export type NamesOf = (key: string) => Iterable<string> | undefined;

/** How references of one kind are spoken of. */
export type ReferenceKind = { readonly code: 'unknown_flag' | 'unknown_cohort'; readonly what: string };

type Level = ReadonlyMap<string, string | undefined>;

function nextLevel(level: Level, namesOf: NamesOf): Level {
  const next = new Map<string, string>();
  for (const key of level.keys()) for (const name of namesOf(key) ?? []) if (!next.has(name)) next.set(name, key);
  return next;
}

function pathTo(key: string, levels: readonly Level[]): string[] {
  const path = [key];
  for (const level of levels.toReversed()) {
    const from = level.get(path[0] ?? '');
    if (from !== undefined) path.unshift(from);
  }
  return path;
}

/**
 * Checks one reference of the document `self`: it must exist, lead back to `self` nowhere, and begin no chain of more
 * than `depth` references. The levels are the keys that so many steps reach, so the work is bounded even in a cycle.
 */
export function checkReference(
  name: unknown,
  pointer: string,
  report: Report,
  kind: ReferenceKind,
  self: string | undefined,
  namesOf: NamesOf,
  depth: number,
): void {
  if (!isText(name) || (name !== self && namesOf(name) === undefined)) {
    unexpected(report, pointer, kind.code, `the key of ${kind.what} that exists here`, name);
    return;
  }
  const levels: Level[] = [new Map([[name, undefined]])];
  for (let level = levels[0]; level !== undefined && level.size > 0; level = levels.at(-1)) {
    if (self !== undefined && level.has(self)) {
      const path = [self, ...pathTo(self, levels)].join(' → ');
      refuse(report, pointer, 'cycle', `Expected no way back to "${self}"; got ${path}.`);
      return;
    }
    if (levels.length > depth) {
      const [last = ''] = level.keys();
      const path = [self ?? '', ...pathTo(last, levels)].join(' → ');
      refuse(
        report,
        pointer,
        'too_deep',
        `Expected a chain of at most ${depth} references (the limit referenceDepth); got ${path}.`,
      );
      return;
    }
    levels.push(nextLevel(level, namesOf));
  }
}
