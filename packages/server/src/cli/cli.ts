/**
 * The command line `portcullis`: words → one command → exit status (0 done, 1 refused or failed, 2 wrong usage).
 * - Every command says what it did in words, or as one JSON object with `--json` (lists: one object a line).
 * - A secret is printed only by the command that makes it.
 * Refuses to know: how anything is decided; it asks the authority and the gates, as every operator can.
 */
import { CommanderError } from 'commander';
import { Output } from './output.ts';
import { listCommands, makeProgram } from './program.ts';

export async function run(words: string[]): Promise<number> {
  const output = new Output(process.stdout, process.stderr, words.includes('--json'));
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  try {
    await makeProgram(output).parseAsync(words, { from: 'user' });
    return output.status;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    return output.failure(error);
  }
}

/** Every command with its words and what it does, as the documentation lists them. */
export function commandLine(): { words: string; description: string }[] {
  return listCommands(makeProgram(new Output(process.stdout, process.stderr, false)));
}
