import type { Snapshot } from '@fledge/evaluation';
import type { Source } from './source.js';

/** Emits one fixed snapshot and nothing else, before it returns. */
export const staticSource =
  (snapshot: Snapshot): Source =>
  (sink) =>
    sink.put(snapshot);
