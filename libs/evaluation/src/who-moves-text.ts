import type { Move, Movement, Share } from './movement.js';
import type { Served } from './sequence.js';
import type { RuleMoves, WhoMoves } from './who-moves.js';

function percent(share: number): string {
  return `${Math.round(share * 10_000) / 100} %`;
}

function shareText({ share, error }: Share): string {
  return `${percent(share)} ± ${percent(error)}`;
}

function servedText(served: Served): string {
  return served ?? "the caller's default";
}

function moveText({ from, to, share }: Move): string {
  return `${servedText(from)} → ${servedText(to)} ${percent(share)}`;
}

function movementLines({ moved, minimum, switched, moves }: Movement): string[] {
  if (moved.units === 0) return ['nobody moves'];
  const between =
    switched.units === 0
      ? 'nobody goes from one treatment to another'
      : `${shareText(switched)} go from one treatment to another`;
  return [`${shareText(moved)} move, at least ${percent(minimum)} have to: ${moves.map(moveText).join(', ')}`, between];
}

function ruleLines({ rule, conditions = '', movement, lighter }: RuleMoves, isTwice: boolean): string[] {
  const name = isTwice ? `${rule} (${conditions})` : `${rule}, of those it is for`;
  const lines = movement === null ? ['there can be nobody'] : movementLines(movement);
  const proposal =
    lighter === undefined ? [] : [`lighter: ${lighter.text}, which moves ${percent(lighter.moved)} instead`];
  return [...lines, ...proposal].map((line) => `${rule === null ? 'whom no rule is for' : name}: ${line}`);
}

/** Who moves, for people: what moves and where to, whether anybody goes from one treatment to another, and what would be lighter; a line each. */
export function whoMovesText({ everyone, rules }: WhoMoves): string {
  const whole = everyone === null ? [] : movementLines(everyone).map((line) => `everyone: ${line}`);
  const isTwice = ({ rule }: RuleMoves): boolean => rules.filter((other) => other.rule === rule).length > 1;
  return [...whole, ...rules.flatMap((each) => ruleLines(each, isTwice(each)))].join('\n');
}
