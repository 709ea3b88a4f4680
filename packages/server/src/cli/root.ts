import { join } from 'node:path';
import { KeyAlgorithm } from '@portcullis/contract';
import type { Command } from 'commander';
import { timestamp } from '../telemetry/telemetry.ts';
import type { FleetOptions } from './fleet-client.ts';
import { type KeepingOptions, keepingOf, keyAlgorithm, withKeepingOptions } from './keeping-options.ts';
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
      'sign the issuers that a request asks for, and write the answer to be carried back; compare the hashes that it shows with those that init showed',
    )
    .action((dir: string, request: string, answer: string) => sign(dir, request, answer, output));
}

interface RootOptions extends KeepingOptions {
  keys: string;
}

async function create(directory: string, request: string, options: RootOptions, output: Output): Promise<void> {
  const { makeRootDirectory, readRequest } = await import('./root-directory.ts');
  const root = await makeRootDirectory(directory, readRequest(request), {
    ...keepingOf(options),
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
  const words = `signed in ${out}, if these are the keys that init showed:
${keyLines(keys)}

The root's own key, which init shows with the answer:
${keyLines([root])}`;
  output.result({ answer: out, root, keys }, words);
}
