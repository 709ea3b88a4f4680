import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError, SubjectId, TokenCreated } from '@portcullis/contract';
import {
  type Credential,
  credentialFileIn,
  enrol,
  exportCredential,
  makeDirectory,
  readCredential,
  writeCredential,
} from '@portcullis/device';
import type { Command } from 'commander';
import { z } from 'zod';
import { realSystem } from '../telemetry/system.ts';
import { directoryOf, type FleetOptions, operatorFileIn, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';

const TokensCreated = z.object({ revision: z.int(), tokens: z.array(TokenCreated) });

interface AddOptions extends FleetOptions {
  out?: string;
  readOnly?: boolean;
  afterRevocation?: boolean;
}

export function operatorCommands(program: Command, output: Output): void {
  const operator = program.command('operator').description('people and programs that may ask, and change the fleet');
  operator
    .command('add')
    .argument('<name>')
    .option('--read-only', 'it may look at everything and change nothing, for life')
    .option('--out <dir>', 'where its credential goes (operators/NAME in the fleet directory)')
    .option('--after-revocation', 'also for one that was suspended or revoked')
    .description('give a new operator a credential; works on a stopped store too')
    .action((name: string, options: AddOptions) => addOperator(name, options, output));
  operator
    .command('renew')
    .description(
      'renew the credential of this fleet directory now, also before it is due: it comes with the trust bundle that there is',
    )
    .action((options: FleetOptions) => renewOwn(options, output));
  operator
    .command('export')
    .argument('<dir>')
    .description(
      'write cert.pem, key.pem and root.pem of the operator whose fleet directory this is, for curl and others',
    )
    .action((target: string, options: FleetOptions) => {
      const credential = readCredential(operatorFileIn(directoryOf(options)));
      const files = exportCredential(credential, target);
      const { subject, notAfter, authority } = credential;
      output.result(
        { subject, notAfter, authority, files },
        `${subject}, until ${notAfter}: ${files.join(', ')}\nthe authority is at ${authority}`,
      );
    });
}

async function renewOwn(options: FleetOptions, output: Output): Promise<void> {
  const directory = directoryOf(options);
  const file = operatorFileIn(directory);
  const { renewNow } = await import('./operator-renewal.ts');
  const held = { directory, file, credential: readCredential(file), system: realSystem, notice: () => undefined };
  const { subject, notAfter, bundleVersion } = await renewNow(held);
  output.result(
    { subject, notAfter, bundle: bundleVersion },
    `${subject} until ${notAfter}, with version ${bundleVersion} of the bundle`,
  );
}

async function addOperator(name: string, options: AddOptions, output: Output): Promise<void> {
  const parsed = SubjectId.safeParse(name);
  if (!parsed.success) throw new PortcullisError('usage', `"${name}" ${parsed.error.issues[0]?.message}`);
  const directory = directoryOf(options);
  const target = options.out ?? join(directory, 'operators', name);
  makeDirectory(target);
  const credential = (await viaAuthority(name, target, options)) ?? (await viaStore(name, directory, options));
  writeCredential(join(target, 'operator.json'), credential);
  rmSync(credentialFileIn(target), { force: true });
  output.result(
    {
      ...{ subject: name, readOnly: options.readOnly === true },
      ...{ credential: join(target, 'operator.json'), notAfter: credential.notAfter },
    },
    `${name} is ${options.readOnly ? 'a read-only operator' : 'an operator'} until ${credential.notAfter}; use it with --fleet ${target}`,
  );
}

/** Undefined when no authority answers. */
async function viaAuthority(name: string, target: string, options: AddOptions): Promise<Credential | undefined> {
  let credential: Credential | undefined;
  try {
    await withFleet(options, async (client) => {
      const { readOnly, afterRevocation } = options;
      const words = { ...(readOnly && { readOnly }), ...(afterRevocation && { afterRevocation }) };
      const asked = { subject: name, kind: 'operator', attributes: {}, ...words };
      const body = { tokens: [asked], reason: 'operator add' };
      const { tokens } = await client.post('/v1/tokens', body, TokensCreated);
      const { token } = tokens[0] as TokenCreated;
      credential = await enrol({ token, directory: target });
    });
  } catch (error) {
    if (
      !(error instanceof PortcullisError) ||
      !['server_unreachable', 'credential_unusable', 'fleet_missing'].includes(error.code)
    )
      throw error;
  }
  return credential;
}

/** The way back in when no authority runs, or none that would listen: whoever holds the store and its keys may do it. */
async function viaStore(name: string, directory: string, options: AddOptions): Promise<Credential> {
  const { readOnly = false, afterRevocation = false } = options;
  const { assembleRecords } = await import('../assemble.ts');
  const { loadFleetConfig } = await import('../config/config.ts');
  const { issueLocally } = await import('./issue-locally.ts');
  await using stack = new AsyncDisposableStack();
  const config = loadFleetConfig(directory);
  const records = await assembleRecords(directory, config, stack);
  return await issueLocally(records, config, { subject: name, kind: 'operator', readOnly, afterRevocation });
}
