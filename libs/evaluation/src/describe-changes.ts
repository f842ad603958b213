import type { Flag } from './flag.js';

/** What an edit of a flag changes, in words, one line per change: `germany: gate 25 % → 50 %`. None when nothing does. */
export function describeChanges(_before: Flag, _after: Flag): string[] {
  return [];
}
