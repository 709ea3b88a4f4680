/**
 * The command line `portcullis`: words → one command → exit status (0 done, 1 refused or failed, 2 wrong usage).
 * - Every command says what it did in words, or as one JSON object with `--json` (lists: one object a line).
 * - A failure is one object with `--json` too: `error` (a code of the contract), `message`, `title`, `detail`; words on standard error.
 * - A secret is printed only by the command that makes it.
 * Refuses to know: how anything is decided; it asks the authority and the gates, as every operator can.
 */
import type { Writable } from 'node:stream';
import { PortcullisError } from '@portcullis/contract';
import { CommanderError } from 'commander';
import { Output } from './output.ts';
import { listCommands, makeProgram } from './program.ts';
import { type Shown, screenOf } from './screen.ts';

export async function run(words: string[]): Promise<number> {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  return runTo(process.stdout, process.stderr, words);
}

/** The same, to other streams than those of the process. */
export async function runTo(out: Writable, side: Writable, words: string[]): Promise<number> {
  const given = new Set(words.slice(0, words.includes('--') ? words.indexOf('--') : undefined));
  const screen = screenOf(out as Shown, process.env, given.has('--wide'));
  const output = new Output(out, side, { json: given.has('--json'), screen });
  try {
    const program = await makeProgram(output, words);
    await program.parseAsync(words, { from: 'user' });
    return output.status;
  } catch (error) {
    if (!(error instanceof CommanderError)) return output.failure(error);
    return error.exitCode === 0 ? 0 : output.failure(wrongUsage(error));
  }
}

function wrongUsage({ code, message }: CommanderError): PortcullisError {
  const words = message.replace(/^error: /, '').replaceAll('\n', ' ');
  const told = code === 'commander.help' ? 'name a command; these are all' : `${words}; --help tells more`;
  return new PortcullisError('usage', told);
}

/** Every command with its words and what it does, as the documentation lists them. */
export async function commandLine(): Promise<{ words: string; description: string }[]> {
  return listCommands(await makeProgram(new Output(process.stdout, process.stderr, { json: false })));
}
