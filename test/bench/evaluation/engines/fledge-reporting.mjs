// Fledge as it is by default: connected, and counting what is asked. The service takes the reports and sends nothing more.
import { createClient } from '../../../../sdk/dist/index.js';
import { contextOf } from '../scenarios.mjs';
import { engine as fledge } from './fledge.mjs';

/** A service that is never heard of again: the snapshot it began with stays in force. */
const silent = () => new Promise(() => undefined);

export const engine = {
  ...fledge,
  name: 'Fledge, reports on',
  prepare({ ask, flag, snapshot }) {
    const client = createClient({
      url: 'http://localhost:4000',
      sdkKey: 'sdk-key',
      bootstrap: snapshot,
      fetch: silent,
    });
    if (ask === 'boolean') return (i) => client.boolean(flag, contextOf(i), false);
    if (ask === 'string') return (i) => client.string(flag, contextOf(i), '');
    return (i) => client.evaluateAll(contextOf(i));
  },
};
