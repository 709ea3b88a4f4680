import { gateWorkersMax, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import type { Outside } from '../assemble.ts';
import {
  type DeskConfig,
  GatePolicyFiles,
  hasSinkForWorkers,
  loadDeskConfig,
  loadFleetConfig,
  sinkForWorkersWords,
} from '../config/config.ts';
import { ParentChannel } from './channel.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import { type LogOptions, logDestination, logOption } from './log-destination.ts';
import type { Output } from './output.ts';
import { type Role, requireNodeOptions, untilStopped } from './processes.ts';

/** A clean stop takes no longer than this; whatever still holds it up then is left to the kernel. */
const stopMsMax = 4_500;

export function startCommand(program: Command, output: Output): void {
  program
    .command('start')
    .argument('<role>', 'authority, gate or desk')
    .argument('[dir]')
    .option('--standby', 'an authority: wait while another leads the same database, and take over when it is gone')
    .option('--workers <number>', 'a gate: as so many processes, instead of "workers" in gate.yaml')
    .option(...logOption)
    .description('run one of them until it is told to stop')
    .action(async (role: string, dir: string | undefined, options: FleetOptions & StartOptions) => {
      if (role !== 'authority' && role !== 'gate' && role !== 'desk') {
        throw new PortcullisError('usage', `"${role}" can not be started; it must be authority, gate or desk`);
      }
      if (options.standby && role !== 'authority')
        throw new PortcullisError(
          'usage',
          `--standby is for the authority; a ${role} shares its work with others as it is`,
        );
      if (options.workers !== undefined) requireWorkers(role, options.workers);
      requireNodeOptions(process.argv.slice(2));
      await start({ role, directory: directoryOf(options, dir), ...options }, output);
    });
}

function requireWorkers(role: Role, text: string): void {
  if (role !== 'gate') throw new PortcullisError('usage', `--workers is for a gate; the ${role} is one process`);
  if (/^[1-9]\d?$/.test(text) && Number(text) <= gateWorkersMax) return;
  throw new PortcullisError('usage', `--workers is "${text}"; it must be a number from 1 to ${gateWorkersMax}`);
}

export interface Ready {
  role: Role;
  listening: string[];
}

export const listeningWords = ({ role, listening }: Ready) => `${role} listening on ${listening.join(' and ')}`;

interface StartOptions extends LogOptions {
  standby?: boolean;
  workers?: string;
}

interface Start extends StartOptions {
  role: Role;
  directory: string;
}

async function start(asked: Start, output: Output): Promise<void> {
  const parent = new ParentChannel();
  try {
    await serve(asked, output, parent);
  } catch (error) {
    await parent.tellFailure(error);
    throw error;
  } finally {
    parent.close();
    setTimeout(() => process.exit(), stopMsMax).unref();
  }
}

/** From opening to the end of a clean stop. */
async function serve(asked: Start, output: Output, parent: ParentChannel): Promise<void> {
  const { role, directory } = asked;
  const logTo = logDestination(asked, { side: process.stderr, json: output.json });
  const stop = new AbortController();
  const stopped = untilStopped().then(() => stop.abort());
  const outside = { logTo, standby: asked.standby ? stop.signal : undefined };
  const opened = await openers[role](directory, stop.signal, outside, { asked, output }).catch((error: unknown) => {
    if (stop.signal.aborted) return undefined;
    throw error;
  });
  if (!opened) return;
  const ready: Ready = { role, listening: opened.listening };
  output.result(ready, listeningWords(ready));
  parent.tell({ listens: ready });
  try {
    await Promise.race([stopped, ...(opened.broken ? [opened.broken] : [])]);
  } finally {
    setTimeout(() => process.exit(1), stopMsMax).unref();
    await opened.close();
  }
}

interface Opened {
  listening: string[];
  /** Rejects when it can not go on. */
  broken?: Promise<never>;
  close(): PromiseLike<void>;
}

/** What the command was told. */
interface Told {
  asked: Start;
  output: Output;
}

type Opener = (directory: string, signal: AbortSignal, outside: Outside, told: Told) => Promise<Opened>;
const openers: Record<Role, Opener> = { authority: openAuthority, gate: openGate, desk: openDesk };

async function openAuthority(directory: string, _signal: AbortSignal, outside: Outside): Promise<Opened> {
  const { assembleAuthority } = await import('../assemble.ts');
  const config = loadFleetConfig(directory);
  const authority = await assembleAuthority(directory, config, outside);
  const at = (port: number) => `https://${config.listen.host}:${port}`;
  return {
    listening: [authority.apiPort, authority.enrolmentPort, authority.sourcesPort ?? []].flat().map(at),
    broken: authority.lost,
    close: () => authority[Symbol.asyncDispose](),
  };
}

async function openGate(directory: string, signal: AbortSignal, outside: Outside, told: Told): Promise<Opened> {
  const { openWorkers, requireNoFurtherWorkers, workerHere } = await import('./gate-workers.ts');
  const files = new GatePolicyFiles(directory);
  const worker = workerHere();
  const count = worker?.count ?? Number(told.asked.workers ?? files.config.workers);
  if (!hasSinkForWorkers(files.config, count)) throw new PortcullisError('config_invalid', sinkForWorkersWords);
  if (!worker) requireNoFurtherWorkers(directory, count);
  if (!worker && count > 1) return openWorkers(count, wordsFor(directory, told), told.output, signal);
  const { assembleGate } = await import('../assemble-gate.ts');
  const gate = await assembleGate(directory, files, signal, { ...outside, worker });
  const { broken, port, mqttPort, coapPort } = gate;
  const { host } = files.config.listen;
  const at = (scheme: string, port: number | undefined) => (port === undefined ? [] : [`${scheme}://${host}:${port}`]);
  return {
    listening: [...at('https', port), ...at('mqtts', mqttPort), ...at('coap', coapPort)],
    broken,
    close: () => gate[Symbol.asyncDispose](),
  };
}

/** What a worker's command is told of it. */
const wordsFor = (directory: string, { asked: { logFile }, output: { json } }: Told) => [
  directory,
  ...(logFile === undefined ? [] : ['--log-file', logFile]),
  ...(json ? ['--json'] : []),
];

async function openDesk(directory: string, signal: AbortSignal, outside: Outside): Promise<Opened> {
  const { assembleDesk } = await import('../assemble-desk.ts');
  const config = loadDeskConfig(directory);
  const desk = await assembleDesk(directory, config, signal, outside);
  const phones = desk.phonesPort === undefined ? [] : [phonesAddress(config.public, desk.phonesPort)];
  return {
    listening: [
      ...[desk.port, desk.publicPort ?? [], desk.estPort ?? []]
        .flat()
        .map((port) => `https://${config.listen.host}:${port}`),
      ...phones,
      ...(desk.revocationPort === undefined ? [] : [`http://${config.listen.host}:${desk.revocationPort}`]),
    ],
    close: () => desk[Symbol.asyncDispose](),
  };
}

const phonesAddress = (phones: DeskConfig['public'], port: number) =>
  `${phones?.certificate === undefined ? 'http' : 'https'}://${phones?.host}:${port}`;
