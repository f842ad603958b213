import type { FlagShape } from '@fledge/store';
import { literal, textType, valueType } from './value-type.js';

/**
 * A TypeScript declaration file that tells the SDK which flags there are, with the type of their values: the same text for the same
 * flags. `place` names where they come from and is made of keys.
 */
export function declareFlags(place: string, flags: readonly FlagShape[]): string {
  const members = flags.map((flag) => `    ${literal(flag.key)}: ${typeOf(flag)};\n`).join('');
  // A module is only extended by what imports it.
  const imported = members.includes('JsonValue') ? "type { JsonValue } from '@fledge/sdk'" : "'@fledge/sdk'";
  return `// The flags of ${place}, written by Fledge: npx fledge-types writes them anew.
import ${imported};

declare module '@fledge/sdk' {
  interface FledgeFlags {
${members}  }
}
`;
}

function typeOf({ type, variants }: FlagShape): string {
  const values = Object.values(variants);
  switch (type) {
    case 'boolean':
    case 'number':
      return type;
    case 'string':
      return textType(values.filter((value) => typeof value === 'string'));
    case 'object':
      return valueType(values);
  }
}
