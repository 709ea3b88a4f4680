import { readFileSync } from 'node:fs';
import { Command, CommanderError, Option } from 'commander';
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

const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

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
    .addOption(new Option('--fleet <dir>', 'the fleet directory (./fleet)').env('PORTCULLIS_FLEET'))
    .option('--json', 'print JSON: one object, or one a line for lists; also when it fails')
    .option('--wide', 'lists: all columns, however wide the terminal is')
    .option('--version', 'print the version of this program')
    .configureHelp({ showGlobalOptions: true })
    // A failure is printed in one place, as words or as JSON.
    .configureOutput({ outputError: () => undefined, ...(output.json && { writeErr: () => undefined }) })
    .showSuggestionAfterError()
    .exitOverride()
    .on('option:version', () => {
      output.result({ version }, version);
      throw new CommanderError(0, 'commander.version', version);
    })
    // What stands for every command may stand before it or after it.
    .hook('preAction', (_program, command) => {
      const fleet: unknown = program.getOptionValue('fleet');
      if (fleet) command.setOptionValue('fleet', fleet);
    });
  for (const add of adders) add(program, output);
  return program;
}

export function listCommands(command: Command, before = ''): { words: string; description: string }[] {
  const name = `${before}${command.name()}`;
  if (command.commands.length > 0) return command.commands.flatMap((inner) => listCommands(inner, `${name} `));
  const operands = command.registeredArguments.map((operand) => {
    const shown = `${operand.name().toUpperCase()}${operand.variadic ? '…' : ''}`;
    return operand.required ? ` ${shown}` : ` [${shown}]`;
  });
  const options = command.options.map(({ flags }) => ` [${flags}]`);
  return [{ words: `${name}${operands.join('')}${options.join('')}`, description: command.description() }];
}
