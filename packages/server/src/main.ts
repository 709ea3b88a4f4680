import { run } from './cli/cli.ts';

/** The words of the command line → one command. Resolves to the exit status. */
export const main = (words: string[]): Promise<number> => run(words);
