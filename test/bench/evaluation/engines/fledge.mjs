// Fledge as an application uses it: the published build of the client, its getters, the system's clock.
import { readFileSync } from 'node:fs';
import { createClient } from '../../../../sdk/dist/index.js';
import { contextOf } from '../scenarios.mjs';

const { version } = JSON.parse(readFileSync(new URL('../../../../sdk/package.json', import.meta.url), 'utf8'));

const DEFAULTS = { boolean: false, string: '' };

export const engine = {
  name: 'Fledge',
  version,
  prepare({ ask, flag, snapshot }) {
    const client = createClient({ snapshot });
    if (ask === 'boolean') return (i) => client.boolean(flag, contextOf(i), DEFAULTS.boolean);
    if (ask === 'string') return (i) => client.string(flag, contextOf(i), DEFAULTS.string);
    return (i) => client.evaluateAll(contextOf(i));
  },
  /** The answer of `evaluateAll` as plain values. */
  values: (all) => Object.fromEntries(Object.entries(all).map(([key, { value }]) => [key, value])),
  /** The text this engine loads for a snapshot, and what it keeps of it until a flag is first evaluated. */
  encode: (snapshot) => JSON.stringify(snapshot),
  load: (text) => createClient({ snapshot: JSON.parse(text) }),
};
