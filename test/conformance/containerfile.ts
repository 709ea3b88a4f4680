/** The Containerfile, read: its stages, each with its instructions in order. */
import { textOf } from '../tree.ts';

export const containerFolder = 'packaging/container';

export interface Stage {
  name: string;
  from: string;
  steps: [instruction: string, rest: string][];
}

export function stages(): Stage[] {
  const found: Stage[] = [];
  for (const line of textOf(`${containerFolder}/Containerfile`).split('\n')) {
    const [, instruction = '', rest = ''] = /^([A-Z]+) (.*)$/.exec(line) ?? [];
    if (instruction === 'FROM') {
      const [from = '', , name = ''] = rest.split(' ');
      found.push({ name, from, steps: [] });
    } else if (instruction !== '') found.at(-1)?.steps.push([instruction, rest]);
  }
  return found;
}
