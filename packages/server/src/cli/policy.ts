import {
  AttributeValue,
  type KeyAlgorithm,
  Kind,
  PortcullisError,
  parseAssignment,
  SubjectId,
} from '@portcullis/contract';
import { type Command, Option } from 'commander';
import type { z } from 'zod';
import type { Asking } from '../issuance/issuance.ts';
import { requireAssignments } from './assignments.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import { namedFile } from './named-file.ts';
import type { Output } from './output.ts';

interface TestOptions extends FleetOptions {
  subject?: string;
  way: Asking['way'];
  est?: boolean;
  request?: string;
}

/** The authority itself asks nobody. */
const AskingKind = Kind.exclude(['authority']);

export function policyCommands(program: Command, output: Output): void {
  program
    .command('policy')
    .description('who gets a certificate, by the profiles of fleet.yaml')
    .command('test')
    .argument('<kind>', 'of the subject that asks')
    .argument('[K=V...]', 'the attributes that it has')
    .option('--subject <id>', 'who asks (KIND-1)')
    .addOption(
      new Option('--way <way>', 'what proves who asks')
        .choices(['token', 'renewal', 'factory', 'operator'] satisfies Asking['way'][])
        .default('token'),
    )
    .option('--est', 'it comes by EST')
    .option('--request <file>', 'PKCS#10, PEM or DER; left out: one for a new key, as our devices make it')
    .description('whether the policy in fleet.yaml, as it is now, allows a certificate; no authority is asked')
    .action((kind: string, words: string[], options: TestOptions) => testPolicy(kind, words, options, output));
}

async function testPolicy(given: string, words: string[], options: TestOptions, output: Output): Promise<void> {
  requireAssignments(words);
  const kind = parsed(AskingKind, given);
  const subject = parsed(SubjectId, options.subject ?? `${kind}-1`);
  const values = words.map((word) => parseAssignment(word));
  const attributes = new Map(values.map(({ name, value }) => [name, parsed(AttributeValue, value)]));
  const { loadFleetConfig } = await import('../config/config.ts');
  const { requirePolicies } = await import('./config-check.ts');
  const directory = directoryOf(options);
  const config = loadFleetConfig(directory);
  await requirePolicies(directory, config);
  const { tryPolicy, usualLifetimes } = await import('../issuance/issuance.ts');
  const asking = { way: options.way, est: options.est === true, attributes: async () => attributes };
  const request = await requestOf(options.request, subject, config.profiles[kind]?.keys?.[0]);
  const asked = { subject, kind, request, asking, validMs: usualLifetimes.clientMs[kind] };
  const { policy, seen, why } = await tryPolicy(config.profiles, asked);
  const shown = { ...seen, attributes: Object.fromEntries(attributes) };
  const said = policy === null ? `there is no profiles.${kind}.policy: all is allowed` : 'allowed';
  if (why !== undefined) output.status = 1;
  output.result(
    { allowed: why === undefined, policy, ...(why !== undefined && { why }), ...shown },
    `${why === undefined ? said : `not allowed by profiles.${kind}.policy: ${why}`}\n${JSON.stringify(shown, null, 2)}`,
  );
}

/** @throws {PortcullisError} `usage` */
function parsed<Shape extends z.ZodType>(shape: Shape, word: unknown): z.infer<Shape> {
  const read = shape.safeParse(word);
  if (read.success) return read.data;
  throw new PortcullisError('usage', `"${word}" ${read.error.issues[0]?.message}`);
}

async function requestOf(file: string | undefined, subject: string, keys: KeyAlgorithm | undefined): Promise<Buffer> {
  if (file === undefined) {
    const { makeKey, makeRequest } = await import('@portcullis/device');
    return makeRequest(makeKey(keys), subject);
  }
  const { fromPem } = await import('../pki/pki.ts');
  const bytes = namedFile(file);
  return fromPem('CERTIFICATE REQUEST', bytes.toString('latin1'))[0] ?? bytes;
}
