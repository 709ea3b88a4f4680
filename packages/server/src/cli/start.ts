import { PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { GatePolicyFiles, loadFleetConfig } from '../config/config.ts';
import { directoryOf, type FleetOptions } from './fleet-client.ts';
import type { Output } from './output.ts';
import { type Role, requireNodeOptions, untilStopped } from './processes.ts';

/** A clean stop takes no longer than this; whatever still holds it up then is left to the kernel. */
const stopMsMax = 4_500;

export function startCommand(program: Command, output: Output): void {
  program
    .command('start')
    .argument('<role>', 'authority or gate')
    .argument('[dir]')
    .description('run one of them until it is told to stop')
    .action(async (role: string, dir: string | undefined, options: FleetOptions) => {
      if (role !== 'authority' && role !== 'gate') {
        throw new PortcullisError('usage', `"${role}" can not be started; it must be authority or gate`);
      }
      requireNodeOptions(process.argv.slice(2));
      await start(role, directoryOf(options, dir), output);
    });
}

export interface Ready {
  role: Role;
  listening: string[];
}

async function start(role: Role, directory: string, output: Output): Promise<void> {
  const stop = new AbortController();
  const stopped = untilStopped().then(() => stop.abort());
  const opening = role === 'authority' ? openAuthority(directory) : openGate(directory, stop.signal);
  const opened = await opening.catch((error: unknown) => {
    if (stop.signal.aborted) return undefined;
    throw error;
  });
  if (!opened) return;
  const ready: Ready = { role, listening: opened.listening };
  output.result(ready, `${role} listening on ${ready.listening.join(' and ')}`);
  process.send?.(ready);
  await stopped;
  setTimeout(() => process.exit(1), stopMsMax).unref();
  await opened.close();
  if (process.connected) process.disconnect();
}

interface Opened {
  listening: string[];
  close(): PromiseLike<void>;
}

async function openAuthority(directory: string): Promise<Opened> {
  const { assembleAuthority } = await import('../assemble.ts');
  const config = loadFleetConfig(directory);
  const authority = await assembleAuthority(directory, config);
  const at = (port: number) => `https://${config.listen.host}:${port}`;
  return {
    listening: [at(authority.apiPort), at(authority.enrolmentPort)],
    close: () => authority[Symbol.asyncDispose](),
  };
}

async function openGate(directory: string, signal: AbortSignal): Promise<Opened> {
  const { assembleGate } = await import('../assemble.ts');
  const files = new GatePolicyFiles(directory);
  const gate = await assembleGate(directory, files, signal);
  return { listening: [`https://${files.config.listen.host}:${gate.port}`], close: () => gate[Symbol.asyncDispose]() };
}
