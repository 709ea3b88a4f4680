import { join } from 'node:path';
import { counted, KeyAlgorithm, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { timestamp } from '../telemetry/telemetry.ts';
import type { FleetOptions } from './fleet-client.ts';
import {
  type KeepingOptions,
  keepingOf,
  keyAlgorithm,
  requirePassphrase,
  withKeepingOptions,
} from './keeping-options.ts';
import type { Output } from './output.ts';

export function rootCommands(program: Command, output: Output): void {
  const root = program.command('root').description('a root on a machine of its own, which no network reaches');
  withKeepingOptions(root.command('create'))
    .argument('<dir>')
    .argument('<request>')
    .option('--keys <algorithm>', `what its key is of: ${KeyAlgorithm.options.join(', ')}`, 'p-256')
    .description('make the root of the fleet that a request names: a key, and its certificate')
    .action((dir: string, request: string, options: FleetOptions & RootOptions) =>
      create(dir, request, options, output),
    );
  root
    .command('sign')
    .argument('<dir>')
    .argument('<request>')
    .argument('<answer>')
    .description(
      'sign the issuers that a request asks for, and write the answer to be carried back; compare the hashes that it shows with those that "init" or "rollover start" showed',
    )
    .action((dir: string, request: string, answer: string) => sign(dir, request, answer, output));
  root
    .command('list')
    .argument('<dir>')
    .argument('<list>')
    .option('--revoke <certificate...>', 'an issuer that is on it from now on: its certificate, in PEM')
    .option('--days <number>', 'how long it holds', '365')
    .description(
      'write the next list of what the root revoked, to be carried back: "portcullis revocation add" takes it',
    )
    .action((dir: string, file: string, options: ListOptions) => list(dir, file, options, output));
}

interface RootOptions extends KeepingOptions {
  keys: string;
}

interface ListOptions {
  revoke?: string[];
  days: string;
}

async function create(directory: string, request: string, options: RootOptions, output: Output): Promise<void> {
  const { makeRootDirectory, readRequest } = await import('./root-directory.ts');
  const keeping = keepingOf(options);
  await requirePassphrase(keeping, directory);
  const root = await makeRootDirectory(directory, readRequest(request), {
    ...keeping,
    algorithm: keyAlgorithm(options.keys, options),
  });
  const result = {
    root: root.name,
    directory,
    certificate: join(directory, 'root.pem'),
    notAfter: timestamp(root.notAfter),
  };
  const words = `made "${root.name}" in ${directory}, until ${result.notAfter}

Next:
  portcullis root sign ${directory} ${request} answer.json`;
  output.result(result, words);
}

async function sign(directory: string, file: string, out: string, output: Output): Promise<void> {
  const { answerAt } = await import('./root-directory.ts');
  const { root, keys } = await answerAt(directory, file, out);
  const { keyLines } = await import('./root-elsewhere.ts');
  const words = `signed in ${out}, if these are the keys that "init" or "rollover start" showed:
${keyLines(keys)}

The root's own key, which "init" or "rollover take" shows with the answer:
${keyLines([root])}`;
  output.result({ answer: out, root, keys }, words);
}

async function list(
  directory: string,
  file: string,
  { revoke = [], days }: ListOptions,
  output: Output,
): Promise<void> {
  const [{ listAt }, { rootListDays }] = await Promise.all([
    import('./root-directory.ts'),
    import('../issuance/issuance.ts'),
  ]);
  const wanted = /^[1-9]\d{0,4}$/.test(days) ? Number(days) : 0;
  if (wanted < 1 || wanted > rootListDays.max) {
    throw new PortcullisError('usage', `"${days}" is no number of days; it must be from 1 to ${rootListDays.max}`);
  }
  const { number, entries, nextUpdate } = await listAt(directory, file, { revoke, days: wanted });
  const result = { list: file, number, entries, nextUpdate: timestamp(nextUpdate) };
  const words = `list ${number} in ${file}, ${counted(entries, 'entry', 'entries')}, until ${result.nextUpdate}

Carry it to the authority, and there:
  portcullis revocation add ${file}`;
  output.result(result, words);
}
