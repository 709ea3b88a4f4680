import type { Command } from 'commander';

/** What every command that changes something takes. */
export function addChangeOptions(command: Command): Command {
  return command
    .option('--reason <text>', 'why, for the journal')
    .option('--wait', 'wait until every gate that could decide has applied it, and print the receipt')
    .option('--wait-limit <seconds>', 'how long to wait', '30');
}
