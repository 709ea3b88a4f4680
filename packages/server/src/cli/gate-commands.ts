import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { counted, GateReads, GateView, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { z } from 'zod';
import { directoryOf, type FleetOptions, withFleet } from './fleet-client.ts';
import { aheadWords } from './fleet-status.ts';
import type { JoinOptions } from './gate-join.ts';
import type { Listing, Output } from './output.ts';

export function gateCommands(program: Command, output: Output): void {
  const gate = program.command('gate').description('the ingestion points');
  gate
    .command('join')
    .argument('<dir>')
    .argument(
      '<token|@file|->',
      'of kind gate: "portcullis token create gate-2 --kind gate"; @FILE or - keeps it secret',
    )
    .option('--port <number>', 'where it listens', '8443')
    .option('--mqtt-port <number>', 'where it takes readings over MQTT, for example 8883; left out: nowhere')
    .option(
      '--coap-port <number>',
      'where it takes readings over CoAP with OSCORE, for example 5683; left out: nowhere',
    )
    .option('--host <name>', 'where devices reach it; one of the names of its token', 'localhost')
    .option('--listen <address>', 'the address that it binds', '127.0.0.1')
    .option('--replace', 'give the gate of this directory a new credential, though it has one that is not over')
    .description(
      'make the directory of a further gate, or give the gate of a directory a new credential; "portcullis start gate DIR" runs it',
    )
    .action(async (dir: string, word: string, options: JoinOptions, command: Command) => {
      const given = ['port', 'mqttPort', 'coapPort', 'host', 'listen'].filter(
        (name) => command.getOptionValueSource(name) === 'cli',
      );
      const { joinFleet } = await import('./gate-join.ts');
      const { tokenFrom } = await import('@portcullis/device');
      await joinFleet('gate', dir, await tokenFrom(word), { ...options, given }, output);
    });
  gate
    .command('list')
    .description('gates and their instances: lease, applied revision, rates')
    .action((options: FleetOptions) => list(options, output));
  gate
    .command('reads')
    .argument('<gate>')
    .argument('[attributes...]')
    .option('--any', 'it may ask for every attribute')
    .option('--reason <text>', 'why, for the journal')
    .description('show or set the attributes that a gate may ask of the feed; its policies can look at no others')
    .action((name: string, attributes: string[], options: ReadsOptions) => reads(name, attributes, options, output));
  gate
    .command('accept-restore')
    .argument('[dir]')
    .description('believe an authority that was restored from a backup: forget the history that this gate has seen')
    .action((dir: string | undefined, options: FleetOptions) => forget(directoryOf(options, dir), output));
  gate
    .command('accept-clock')
    .argument('[dir]')
    .description(
      'believe the clocks of gate and authority: forget a later time that the authority said when one was ahead',
    )
    .action((dir: string | undefined, options: FleetOptions) => believeClock(directoryOf(options, dir), output));
  gate
    .command('accept-prune')
    .argument('[dir]')
    .description('let the gate remove the readings of which its log says that so many at once are too old')
    .action((dir: string | undefined, options: FleetOptions) => letPrune(directoryOf(options, dir), output));
  gate
    .command('accept-spool')
    .argument('[dir]')
    .description(
      'send readings that wait in the spool to the sink that gate.yaml names now, and no more to the one before',
    )
    .action((dir: string | undefined, options: FleetOptions) => acceptSpools(directoryOf(options, dir), output));
}

/** That of the gate, and those of its further processes. */
async function directoriesOf(directory: string): Promise<string[]> {
  const { furtherWorkersIn, workerDirectory } = await import('../config/config.ts');
  const home = join(directory, 'gate');
  const further = existsSync(home) ? furtherWorkersIn(home) : [];
  return [home, ...further.map((number) => workerDirectory(home, number))];
}

async function acceptSpools(directory: string, output: Output): Promise<void> {
  const { spoolOwner } = await import('../assemble-gate.ts');
  const { acceptSpool } = await import('../storage/sink.ts');
  const { furtherWorkersIn, loadGateConfig, workerDirectory } = await import('../config/config.ts');
  const config = loadGateConfig(directory);
  const home = join(directory, 'gate');
  let readings = 0;
  let to: string | undefined;
  for (const number of [1, ...(existsSync(home) ? furtherWorkersIn(home) : [])]) {
    const owner = spoolOwner(directory, config, number);
    if (!owner)
      throw new PortcullisError('config_invalid', 'gate.yaml has no "spool", so there is no sink to send it to');
    to = owner.sink;
    readings += (await acceptSpool(workerDirectory(home, number), owner))?.readings ?? 0;
  }
  const words =
    readings > 0
      ? `${counted(readings, 'reading')} will be sent to ${to} when the gate starts`
      : 'nothing waits for another sink';
  output.result({ readings, sink: to ?? null }, words);
}

interface ReadsOptions extends FleetOptions {
  any?: boolean;
  reason?: string;
}

async function reads(gate: string, names: string[], { any, reason, ...options }: ReadsOptions, output: Output) {
  if (any && names.length > 0) throw new PortcullisError('usage', 'give either names of attributes or --any');
  await withFleet(options, async (client) => {
    const path = `/v1/gates/${encodeURIComponent(gate)}/reads`;
    if (any || names.length > 0) {
      const body = { reads: any ? null : names, ...(reason !== undefined && { reason }) };
      await client.post(path, body, z.object({ changed: z.int() }));
    }
    const { reads } = await client.get(path, GateReads);
    const words = reads === null ? 'any attribute' : reads.length > 0 ? reads.join(', ') : 'no attribute';
    output.result({ gate, reads }, `${gate} may ask for ${words}`);
  });
}

async function forget(directory: string, output: Output): Promise<void> {
  const { acceptClock, acceptRestore } = await import('../gate/gate.ts');
  const { realSystem } = await import('../telemetry/telemetry.ts');
  const { loadGateConfig } = await import('../config/config.ts');
  loadGateConfig(directory);
  let forgotten = false;
  for (const own of await directoriesOf(directory)) {
    // Of a gate that runs and follows, what is forgotten with its history would stay.
    await acceptClock(own, realSystem.now()).catch(() => undefined);
    if (await acceptRestore(own)) forgotten = true;
  }
  const words = forgotten ? 'the gate starts anew from what the authority has' : 'the gate holds no history';
  output.result({ forgotten }, words);
}

async function believeClock(directory: string, output: Output): Promise<void> {
  const { acceptClock } = await import('../gate/gate.ts');
  const { loadGateConfig } = await import('../config/config.ts');
  const { realSystem, timestamp } = await import('../telemetry/telemetry.ts');
  loadGateConfig(directory);
  const all = [];
  for (const own of await directoriesOf(directory)) all.push((await acceptClock(own, realSystem.now())) ?? []);
  const floor = all.flat().toSorted((one, other) => other - one)[0];
  const accepted = floor === undefined ? null : timestamp(floor);
  const words = accepted
    ? `the gate forgets ${accepted} with the next word of the authority: within seconds, or once it runs`
    : 'the gate was told no time that is ahead of this clock';
  output.result({ accepted }, words);
}

async function letPrune(directory: string, output: Output): Promise<void> {
  const { acceptPrune } = await import('../gate/gate.ts');
  const { loadGateConfig } = await import('../config/config.ts');
  const { timestamp } = await import('../telemetry/telemetry.ts');
  loadGateConfig(directory);
  const all = [];
  for (const own of await directoriesOf(directory)) all.push((await acceptPrune(own)) ?? []);
  const asked = all.flat();
  const sum = (name: 'readings' | 'of') => asked.reduce((total, one) => total + one[name], 0);
  const before = asked.map((one) => one.before).toSorted((one, other) => other - one)[0];
  const accepted = before !== undefined && { before: timestamp(before), readings: sum('readings'), of: sum('of') };
  const words = accepted
    ? `${accepted.readings} of ${accepted.of} readings, received before ${accepted.before}, go at the gate's next look, within a minute`
    : 'the gate asks for nothing';
  output.result({ accepted: accepted || null }, words);
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
    { title: 'PRUNE WAITS', priority: 6, align: 'right', value: ({ pruneWaits }) => pruneWaits },
    {
      title: 'CLOCK WAS AHEAD',
      priority: 5,
      align: 'right',
      value: ({ clockAheadMs }) => (clockAheadMs > 0 ? aheadWords(clockAheadMs) : null),
    },
    { title: 'INSTANCE', priority: 7, value: ({ instance }) => instance },
  ],
  none: 'there is no gate',
};
