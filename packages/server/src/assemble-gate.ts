/** The only file that builds a gate: what is opened, in which order. It closes in reverse, whatever fails on the way. */
import { join } from 'node:path';
import { credentialFileIn, makeDirectory, readCredential } from '@portcullis/device';
import type { Outside } from './assemble.ts';
import { allOf, homeIn } from './assemble-home.ts';
import { type GateConfig, type GatePolicyFiles, textsIn, workerDirectory } from './config/config.ts';
import { type Gate, openGate, type Worker } from './gate/gate.ts';
import { holdLock } from './storage/lock.ts';
import { openSink, openSpooledSink, requirePlace, sinkWords } from './storage/sink.ts';
import { createLog, diskSpace, realSystem } from './telemetry/telemetry.ts';

export interface AssembledGate extends Gate {
  /** Rejects when it lives and can not serve any more: its process has to end. */
  readonly broken: Promise<never>;
}

/** One of several processes of a gate, and where they meet. */
export type GateWorker = Pick<Worker, 'number' | 'count' | 'sockets'>;

export async function assembleGate(
  directory: string,
  files: GatePolicyFiles,
  signal: AbortSignal,
  { system = realSystem, disk = (sink) => sink, logTo, worker: of }: Outside = {},
): Promise<AssembledGate> {
  await using stack = new AsyncDisposableStack();
  const home = homeIn(directory, 'gate');
  const own = workerDirectory(home, of?.number ?? 1);
  if (of) makeDirectory(own);
  const worker = of && { ...of, home, alone: aloneIn(home) };
  const settings = settingsOf(files.config, of?.number ?? 1);
  const log = createLog({ role: 'gate', level: settings.log }, logTo);
  const { promise: broken, reject } = Promise.withResolvers<never>();
  broken.catch(() => undefined);
  const readText = textsIn(directory);
  const name = () => nameInSink(readCredential(credentialFileIn(home)).subject, of?.number ?? 1);
  const { sink: url, spool } = files.config;
  const owner = spoolOwner(directory, files.config, of?.number);
  const place = await requirePlace(own, owner);
  const holder = system.random(16).toString('hex');
  const sinkPlace = { directory: own, url, isSpooled: spool !== undefined };
  const opened = disk(stack.use(await openSink({ ...sinkPlace, readText, onBroken: reject, gate: name, holder, log })));
  const kept = { sink: opened, directory: own, place, log };
  const spooled = spool && owner && stack.use(await openSpooledSink({ ...kept, ...spool, owner }));
  const told = spooled && { spool: () => spooled.spool };
  const looks = { diskSpace: () => diskSpace(home), ...told };
  const parts = { directory: own, worker, settings, policies: files, sink: spooled ?? opened, ...looks, system, log };
  const gate = stack.use(await openGate(parts, signal));
  const moved = stack.move();
  const { subject, instance, port, mqttPort, coapPort } = gate;
  const ports = { port, mqttPort, coapPort };
  return { subject, instance, ...ports, broken, [Symbol.asyncDispose]: () => moved.disposeAsync() };
}

/** What has one listener is at the first process; the others take what comes over TCP. */
function settingsOf(config: GateConfig, number: number) {
  const { listen, metrics, ...others } = { ...config, ...allOf(config) };
  const { host, port, mqttPort } = listen;
  if (number === 1) return { ...others, listen, metrics: metrics?.listen };
  return { ...others, listen: { host, port, mqttPort }, metrics: undefined };
}

/** Each of them writes as a gate of its own: no subject has this sign in its name. */
const nameInSink = (subject: string, number: number) => (number === 1 ? subject : `${subject}#${number}`);

/** Whose readings wait in a spool, and for which sink; undefined: `gate.yaml` has no spool. */
export function spoolOwner(directory: string, { sink, spool }: GateConfig, number = 1) {
  if (sink === undefined || spool === undefined) return undefined;
  const { subject } = readCredential(credentialFileIn(homeIn(directory, 'gate')));
  return { sink: sinkWords(sink, textsIn(directory)), gate: nameInSink(subject, number) };
}

function aloneIn(home: string) {
  return async <T>(work: () => Promise<T>): Promise<T> => {
    const lock = holdLock(join(home, 'workers.lock'));
    try {
      return await work();
    } finally {
      lock.release();
    }
  };
}
