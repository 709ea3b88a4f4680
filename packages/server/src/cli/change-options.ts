import type { Command } from 'commander';

/** What every command that changes something takes. */
export function addChangeOptions(command: Command): Command {
  return addWaitOptions(command)
    .option('--if-revision <number>', 'only if no subject that it names was changed after this revision')
    .option('--if-value <K=V>', 'only if each subject that it names has this value (repeatable)', each);
}

export function addWaitOptions(command: Command): Command {
  return command
    .option('--reason <text>', 'why, for the journal')
    .option('--wait', 'wait until every gate that could decide has applied it, and print the receipt')
    .option('--wait-limit <seconds>', 'how long to wait', '30');
}

/** What a change takes beside, that may be of many subjects. */
export function addManyOptions(command: Command): Command {
  return addChangeOptions(command)
    .option(
      '--where <expression>',
      `of each subject that it is true of, in CEL: 'site == "berlin" && kind == "device"'`,
    )
    .option('--dry-run', 'say what would be changed and how many connections closed, and change nothing');
}

/** For an option that may be given more than once: each time one value, so that it never swallows an operand. */
export function each(value: string, before: string[] | undefined): string[] {
  return [...(before ?? []), value];
}
