import type { Screen } from './table.ts';

/** What of a stream says where its bytes end up: Node's own streams to terminals have all three. */
export interface Shown {
  isTTY?: boolean;
  columns?: number;
}

const usualWidth = 80;
const leastWidth = 40;

/**
 * A pipe gets the columns that 80 characters have room for, each value whole, since a program or a later command reads it, and no
 * colours; a terminal gets its width, and colours unless NO_COLOR (https://no-color.org) or TERM=dumb.
 */
export function screenOf(stream: Shown, environment: NodeJS.ProcessEnv, wide: boolean): Screen {
  const terminal = stream.isTTY === true;
  const colours = terminal && !environment.NO_COLOR && environment.TERM !== 'dumb';
  const width = terminal ? Math.max(leastWidth, stream.columns || usualWidth) : usualWidth;
  return { width, colours, wide, whole: !terminal };
}
