import type { Command } from 'commander';

/** What every command that changes something takes. */
export function addChangeOptions(command: Command): Command {
  return command
    .option('--reason <text>', 'why, for the journal')
    .option('--wait', 'wait until every gate that could decide has applied it, and print the receipt')
    .option('--if-revision <number>', 'only if no subject that it names was changed after this revision')
    .option('--if-value <K=V>', 'only if each subject that it names has this value (repeatable)', each)
    .option('--wait-limit <seconds>', 'how long to wait', '30');
}

/** For an option that may be given more than once: each time one value, so that it never swallows an operand. */
export function each(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
