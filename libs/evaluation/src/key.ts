/** What the keys of projects, environments, flags, cohorts and variants look like; `isKey` says whether a text is one. */
export const KEY_PATTERN = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** True when the text may be a key: 1 to 100 ASCII letters, digits, dots, underscores and hyphens, a letter or digit first. */
export function isKey(text: unknown): text is string {
  return typeof text === 'string' && KEY_PATTERN.test(text);
}
