import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GateView, PortcullisError } from '@portcullis/contract';
import { enrol, makeDirectory } from '@portcullis/device';
import type { Command } from 'commander';
import { z } from 'zod';
import { loadGateConfig } from '../config/config.ts';
import { directoryOf, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';
import { gateYaml } from './yaml-templates.ts';

interface JoinOptions {
  port: string;
  host: string;
  listen: string;
}

export function gateCommands(program: Command, output: Output): void {
  const gate = program.command('gate').description('the ingestion points');
  gate
    .command('join')
    .argument('<dir>')
    .argument('<token>', 'of kind gate: "portcullis token create gate-2 --kind gate"')
    .option('--port <number>', 'where it listens', '8443')
    .option('--host <name>', 'where devices reach it; one of the names of its token', 'localhost')
    .option('--listen <address>', 'the address that it binds', '127.0.0.1')
    .description('make the directory of a further gate; "portcullis start gate DIR" runs it')
    .action((dir: string, token: string, options: JoinOptions) => join_(dir, token, options, output));
  gate
    .command('list')
    .description('gates and their instances: lease, applied revision, rates')
    .action((options: FleetOptions) => list(options, output));
  gate
    .command('accept-restore')
    .argument('[dir]')
    .description('believe an authority that was restored from a backup: forget the history that this gate has seen')
    .action(async (dir: string | undefined, options: FleetOptions) => {
      const { acceptRestore } = await import('../gate/gate.ts');
      const directory = directoryOf(options, dir);
      loadGateConfig(directory);
      const forgotten = acceptRestore(join(directory, 'gate/position.json'));
      output.result(
        { forgotten },
        forgotten ? 'the gate starts anew from what the authority has' : 'the gate holds no history',
      );
    });
}

async function join_(
  directory: string,
  token: string,
  { port, host, listen }: JoinOptions,
  output: Output,
): Promise<void> {
  if (existsSync(join(directory, 'gate.yaml')))
    throw new PortcullisError('fleet_exists', `"${directory}" already holds a gate`);
  const gatePort = Number(port);
  if (!Number.isInteger(gatePort) || gatePort < 1 || gatePort > 65_535)
    throw new PortcullisError('usage', `--port ${port} is not a port`);
  const home = join(directory, 'gate');
  makeDirectory(home);
  const credential = await enrol({ token, directory: home });
  if (credential.kind !== 'gate')
    throw new PortcullisError('usage', `the token is for a ${credential.kind}; make one with --kind gate`);
  const text = gateYaml({ host, listenHost: listen, authorityPort: 0, gatePort, authority: credential.authority });
  writeFileSync(join(directory, 'root.pem'), credential.roots);
  writeFileSync(join(directory, 'gate.yaml'), text, { mode: 0o600 });
  const { subject, notAfter } = credential;
  output.result(
    { subject, directory, notAfter },
    `${subject} joined; edit ${join(directory, 'gate.yaml')}, then: portcullis start gate ${directory}`,
  );
}

/** Tenths of a second are of interest for a few seconds. */
function heardWords({ lastHeardMs }: GateView): string {
  if (lastHeardMs === null) return 'never';
  const seconds = lastHeardMs / 1_000;
  return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s ago`;
}

async function list(options: FleetOptions, output: Output): Promise<void> {
  await withFleet(options, async (client) => {
    const { items } = await client.get('/v1/gates', z.object({ items: z.array(GateView) }));
    await output.list(items, gateListing);
  });
}

const gateListing: Listing<GateView> = {
  columns: [
    { title: 'GATE', priority: 1, value: ({ gate }) => gate },
    {
      title: 'LEASE',
      priority: 1,
      value: ({ lease }) => lease,
      colour: ({ lease }) => (lease === 'held' ? 'green' : 'red'),
    },
    { title: 'HEARD', priority: 2, value: heardWords },
    { title: 'LAG', priority: 2, align: 'right', value: ({ lag }) => lag },
    { title: 'CONNECTED', priority: 4, align: 'right', value: ({ connections }) => connections },
    { title: 'ADMITTED/s', priority: 4, align: 'right', value: ({ admittedPerSecond }) => admittedPerSecond },
    { title: 'REFUSED/s', priority: 4, align: 'right', value: ({ refusedPerSecond }) => refusedPerSecond },
    {
      title: 'POLICY',
      priority: 3,
      value: ({ policy, policyRefused }) => `${policy}${policyRefused ? ' (newer refused)' : ''}`,
    },
    { title: 'URL', priority: 5, value: ({ url }) => url },
    { title: 'REVISION', priority: 6, align: 'right', value: ({ appliedRevision }) => appliedRevision },
    { title: 'OVERRUNS', priority: 6, align: 'right', value: ({ overruns }) => overruns },
    { title: 'UNPROVEN', priority: 6, align: 'right', value: ({ unproven }) => unproven },
    { title: 'INSTANCE', priority: 7, value: ({ instance }) => instance },
  ],
  none: 'there is no gate',
};
