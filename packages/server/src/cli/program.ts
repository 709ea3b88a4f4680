import { Command, CommanderError, Option } from 'commander';
import { version } from '../telemetry/version.ts';
import type { Output } from './output.ts';

type Adder = (program: Command, output: Output) => void;

/**
 * Each adds one command, or one noun with its verbs. Only the one that is asked for is loaded, and what it builds beyond asking the
 * authority it imports when it runs: a question does not wait for a certificate authority to be loaded.
 */
const commands: Readonly<Record<string, () => Promise<Adder>>> = {
  init: async () => (await import('./init.ts')).initCommand,
  up: async () => (await import('./up.ts')).upCommand,
  start: async () => (await import('./start.ts')).startCommand,
  status: async () => (await import('./status.ts')).statusCommand,
  gate: async () => (await import('./gate-commands.ts')).gateCommands,
  authority: async () => (await import('./authority-commands.ts')).authorityCommands,
  desk: async () => (await import('./desk-commands.ts')).deskCommands,
  token: async () => (await import('./token.ts')).tokenCommands,
  factory: async () => (await import('./factory-commands.ts')).factoryCommands,
  operator: async () => (await import('./operator.ts')).operatorCommands,
  subject: async () => (await import('./subject.ts')).subjectCommands,
  certificate: async () => (await import('./certificate.ts')).certificateCommands,
  credential: async () => (await import('./certificate.ts')).credentialCommands,
  revocation: async () => (await import('./revocation-commands.ts')).revocationCommands,
  attribute: async () => (await import('./attribute.ts')).attributeCommands,
  change: async () => (await import('./change-commands.ts')).changeCommands,
  arrival: async () => (await import('./arrival-commands.ts')).arrivalCommands,
  journey: async () => (await import('./journey-commands.ts')).journeyCommands,
  alert: async () => (await import('./alert.ts')).alertCommands,
  checkpoint: async () => (await import('./checkpoint-commands.ts')).checkpointCommands,
  shipment: async () => (await import('./shipment-commands.ts')).shipmentCommands,
  signal: async () => (await import('./signal-commands.ts')).signalCommands,
  rule: async () => (await import('./rule.ts')).ruleCommands,
  breach: async () => (await import('./breach.ts')).breachCommands,
  explain: async () => (await import('./explain.ts')).explainCommand,
  watch: async () => (await import('./watch.ts')).watchCommand,
  readings: async () => (await import('./readings.ts')).readingsCommand,
  journal: async () => (await import('./journal-commands.ts')).journalCommands,
  config: async () => (await import('./config-check.ts')).configCommands,
  policy: async () => (await import('./policy.ts')).policyCommands,
  import: async () => (await import('./import.ts')).importCommand,
  export: async () => (await import('./export.ts')).exportCommand,
  rollover: async () => (await import('./rollover.ts')).rolloverCommands,
  root: async () => (await import('./root.ts')).rootCommands,
  backup: async () => (await import('./backup.ts')).backupCommand,
  restore: async () => (await import('./restore.ts')).restoreCommand,
  migrate: async () => (await import('./migrate.ts')).migrateCommand,
  simulate: async () => (await import('./simulate.ts')).simulateCommand,
  upgrade: async () => (await import('./upgrade.ts')).upgradeCommand,
};

/** The program with the command that the words name; with all of them when they name none, or one that there is not. */
export async function makeProgram(output: Output, words: readonly string[] = []): Promise<Command> {
  const program = emptyProgram(output);
  const [name = ''] = program.parseOptions([...words]).operands;
  const wanted = Object.hasOwn(commands, name) ? [name] : Object.keys(commands);
  for (const one of wanted) (await commands[one]?.())?.(program, output);
  return program;
}

function emptyProgram(output: Output): Command {
  const program = new Command('portcullis')
    .description('certificate authority, live attribute store and ingestion gate for fleets of devices')
    .addOption(new Option('--fleet <dir>', 'the fleet directory (./fleet)').env('PORTCULLIS_FLEET'))
    .option('--json', 'print JSON: one object, or one a line for lists; also when it fails')
    .option('--wide', 'lists: all columns, however wide the terminal is')
    .option('--version', 'print the version of this program')
    .configureHelp({ showGlobalOptions: true, helpWidth: output.screen.width, minWidthToWrap: 20 })
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
