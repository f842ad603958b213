import type { Snapshot } from '@fledge/evaluation';
import { field, isRecord } from './json.js';

/** Whether evaluation can work with it at all; nothing else of a snapshot is validated here. */
export const isSnapshot = (value: unknown): value is Snapshot => isRecord(field(value, 'flags'));

/** Whether this SDK reads the format the snapshot is written in. */
export const isReadable = ({ format = 1 }: Snapshot): boolean => format <= 1;
