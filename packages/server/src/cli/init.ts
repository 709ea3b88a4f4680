import { isIP } from 'node:net';
import { join } from 'node:path';
import { FleetName, Host, KeyAlgorithm, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { realSystem } from '../telemetry/telemetry.ts';
import { each } from './change-options.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { DeskPlace, WantedFleet } from './fleet-directory.ts';
import {
  type KeepingOptions,
  keepingOf,
  keyAlgorithm,
  requirePassphrase,
  withKeepingOptions,
} from './keeping-options.ts';
import { madeWords } from './made-words.ts';
import type { Output } from './output.ts';
import { makeWhole, requireEmpty } from './whole-directory.ts';

interface InitOptions extends FleetOptions, KeepingOptions {
  basePort: string;
  host?: string[];
  desk: string;
  publicName?: string;
  store?: string;
  keys: string;
  rootRequest?: string;
  rootAnswer?: string;
  importIssuer?: string;
  importKey?: string;
  importPassphraseFile?: string;
}

export function initCommand(program: Command, output: Output): void {
  withKeepingOptions(program.command('init'))
    .argument('[dir]')
    .option(
      '--base-port <number>',
      'API and gate listen on N and N+3 (MQTT on N+4), the desk on N+1, N+2, N+6 (EST) and N+9, the authority for desks on N+8',
      '8440',
    )
    .option(
      '--host <name>',
      'a DNS name or address of the servers, repeatable (localhost, 127.0.0.1, ::1 and the name of this machine)',
      each,
    )
    .option(
      '--desk <here|host|none>',
      'where the desk is: on this machine, on one of that name which joins, or nowhere: devices then enrol at the authority, on N+1',
      'here',
    )
    .option(
      '--public-name <name>',
      'a DNS name that stays: certificates name it, on N+9, for whoever asks for lists of revoked ones (none: they name nothing)',
    )
    .option(
      '--keys <algorithm>',
      `what the keys of root and issuers are of, and with them those of the fleet: ${KeyAlgorithm.options.join(', ')}`,
      'p-256',
    )
    .option(
      '--store <address>',
      'a PostgreSQL database to keep the store in: postgres://USER@HOST/DATABASE?schema=NAME&passfile=FILE (a file of the fleet)',
    )
    .option(
      '--root-request <file>',
      "the root is on another machine: make the issuers' keys, and write what it is asked for",
    )
    .option('--root-answer <file>', 'what "portcullis root sign" answered: make the fleet that the request was for')
    .option(
      '--import-issuer <file>',
      'an authority that there is already becomes the root: its self-signed certificate, in PEM',
    )
    .option('--import-key <file>', 'its key in PEM, mode 600: it signs the two issuers, and is kept nowhere')
    .option('--import-passphrase-file <file>', 'a file with the passphrase of that key, mode 600')
    .description('make a fleet: root, issuers, first operator, gate and desk, fleet.yaml, gate.yaml and desk.yaml')
    .action((dir: string | undefined, options: InitOptions, command: Command) => {
      requireAlone(command);
      return init(directoryOf(options, dir), options, output);
    });
}

/** What was asked for with the request is not asked for again; and there is one root. */
function requireAlone(command: Command): void {
  const given = command.options.filter((option) => command.getOptionValueSource(option.attributeName()) === 'cli');
  const flags = given.flatMap(({ long }) => long ?? []);
  const others = flags.filter((flag) => flag !== '--root-answer');
  if (flags.includes('--root-answer') && others.length > 0) {
    throw new PortcullisError('usage', `--root-answer goes alone: ${others.join(', ')} went with --root-request`);
  }
  if (flags.includes('--root-request') && flags.includes('--import-issuer')) {
    throw new PortcullisError('usage', '--root-request and --import-issuer each name a root, and a fleet has one');
  }
}

async function init(directory: string, options: InitOptions, output: Output): Promise<void> {
  requireEmpty(directory);
  const { rootRequest, rootAnswer } = options;
  if (rootAnswer !== undefined) {
    const { goOn } = await import('./root-elsewhere.ts');
    return goOn(directory, rootAnswer, output);
  }
  const made = wantedFleet(options);
  await requirePassphrase(made, directory);
  if (rootRequest !== undefined) {
    const { begin } = await import('./root-elsewhere.ts');
    return begin(directory, made, rootRequest, output);
  }
  if (options.importIssuer !== undefined) {
    const { makeBelow } = await import('./brought-authority.ts');
    return makeBelow(directory, made, { ...options, importIssuer: options.importIssuer }, output);
  }
  const { makeFleetDirectory } = await import('./fleet-directory.ts');
  await makeWhole(directory, (beside) => makeFleetDirectory(beside, made));
  const rootKey = made.keys?.pkcs11 ? undefined : join(directory, 'authority/keys/root.pem');
  const { fleet } = made;
  const [root, operator] = [join(directory, 'root.pem'), join(directory, 'operator.json')];
  const result = { fleet, directory, root, operator, rootKey };
  output.result(result, wordsOf(result));
}

function wantedFleet(options: InitOptions): WantedFleet {
  const basePort = Number(options.basePort);
  if (!Number.isInteger(basePort) || basePort < 1 || basePort > 65_526) {
    throw new PortcullisError('usage', `--base-port ${options.basePort} is not a port; it must be from 1 to 65526`);
  }
  const desk = deskPlace(options.desk);
  const { publicName, store } = options;
  if (publicName !== undefined && (!Host.safeParse(publicName).success || isIP(publicName) !== 0))
    throw new PortcullisError('usage', `--public-name ${publicName} is no DNS name; an address may not stay`);
  const fleet = FleetName.parse(`fleet-${realSystem.random(4).toString('hex')}`);
  const algorithm = keyAlgorithm(options.keys, options);
  return { fleet, basePort, hosts: options.host, desk, publicName, store, algorithm, ...keepingOf(options) };
}

function deskPlace(word: string): DeskPlace {
  if (word === 'here' || word === 'none') return word;
  const host = Host.safeParse(word);
  if (host.success) return { host: host.data };
  throw new PortcullisError('usage', `--desk ${word} is no place; it must be here, none, or a DNS name or address`);
}

function wordsOf({
  fleet,
  directory,
  rootKey,
}: {
  fleet: string;
  directory: string;
  rootKey: string | undefined;
}): string {
  const keys =
    rootKey === undefined
      ? 'The keys of the root and of both issuers are in the token, and nowhere else: keep a copy of it as its maker describes.'
      : `Take this key offline now: ${rootKey}
  It signed the two issuers and signs nothing else; everything runs without it. Keep it where no network reaches.`;
  return madeWords(fleet, directory, keys);
}
