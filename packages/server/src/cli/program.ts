import { Command } from 'commander';
import { attributeCommands } from './attribute.ts';
import { certificateCommands } from './certificate.ts';
import { configCommands } from './config-check.ts';
import { explainCommand } from './explain.ts';
import { gateCommands } from './gate-commands.ts';
import { initCommand } from './init.ts';
import { journalCommands } from './journal-commands.ts';
import { operatorCommands } from './operator.ts';
import type { Output } from './output.ts';
import { readingsCommand } from './readings.ts';
import { startCommand } from './start.ts';
import { subjectCommands } from './subject.ts';
import { tokenCommands } from './token.ts';
import { upCommand } from './up.ts';
import { upgradeCommand } from './upgrade.ts';
import { watchCommand } from './watch.ts';

/**
 * Each adds one command, or one noun with its verbs. What a command builds beyond asking the authority it imports when it runs: a
 * question does not wait for a certificate authority to be loaded.
 */
const adders: readonly ((program: Command, output: Output) => void)[] = [
  initCommand,
  upCommand,
  startCommand,
  gateCommands,
  tokenCommands,
  operatorCommands,
  subjectCommands,
  certificateCommands,
  attributeCommands,
  explainCommand,
  watchCommand,
  readingsCommand,
  journalCommands,
  configCommands,
  upgradeCommand,
];

export function makeProgram(output: Output): Command {
  const program = new Command('portcullis')
    .description('certificate authority, live attribute store and ingestion gate for fleets of devices')
    .showSuggestionAfterError()
    .showHelpAfterError('(--help tells more)')
    .exitOverride();
  for (const add of adders) add(program, output);
  settle(program);
  return program;
}

/** Every command takes these, wherever it stands. */
function settle(command: Command): void {
  command.exitOverride();
  if (command.commands.length === 0) {
    command.option('--json', 'print JSON: one object, or one a line for lists');
    command.option('--fleet <dir>', 'the fleet directory (./fleet)');
  }
  for (const inner of command.commands) settle(inner);
}

export function listCommands(command: Command, before = ''): { words: string; description: string }[] {
  const name = `${before}${command.name()}`;
  if (command.commands.length > 0) return command.commands.flatMap((inner) => listCommands(inner, `${name} `));
  const operands = command.registeredArguments.map((operand) => {
    const shown = `${operand.name().toUpperCase()}${operand.variadic ? '…' : ''}`;
    return operand.required ? ` ${shown}` : ` [${shown}]`;
  });
  const options = command.options
    .filter(({ long }) => long !== '--json' && long !== '--fleet')
    .map(({ flags }) => ` [${flags}]`);
  return [{ words: `${name}${operands.join('')}${options.join('')}`, description: command.description() }];
}
