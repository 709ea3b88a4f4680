import { once } from 'node:events';
import { setTimeout as pause } from 'node:timers/promises';
import type { PortcullisError } from '@portcullis/contract';
import { Device } from '../sending-device.ts';
import { Listener } from '../socket/listener.ts';
import { readMetrics } from './metrics.ts';
import { noticeChanges, noticeRefusal, type Output, traced } from './output.ts';
import type { Route } from './route.ts';
import { untilSignalled } from './signals.ts';

interface RunCommand {
  directory: string;
  route: Route;
  metrics: { stream: string; intervalMs: number } | undefined;
  /** Says which readings a gate acknowledged. */
  trace: boolean;
}

/** Stays until it is told to stop: sends what waits, renews the credential and, if asked, measures this machine. */
export async function runDevice({ directory, route, metrics, trace }: RunCommand, output: Output): Promise<number> {
  const stop = untilSignalled();
  const notice = noticeChanges(output);
  const lost = new LostKey();
  const device = await Device.open({
    ...{ directory, ...route },
    onRefusal: (refusal) => noticeRefusal(notice, refusal),
    ...(trace && { onAcknowledged: (acknowledged) => traced(output, acknowledged) }),
    onFailure: (error) => {
      notice(`${error.message}; trying again`);
      lost.failed(error);
    },
    onNotice: notice,
  });
  lost.acknowledged = () => device.counts.acknowledged;
  const listener = await listen(device, directory, notice);
  output.notice(`portcullis-device: running as ${device.credential.subject}`);
  try {
    const end = AbortSignal.any([stop.signal, lost.signal]);
    if (metrics) await measure(device, metrics, end, notice);
    else if (!end.aborted) await stayUntil(end);
  } finally {
    await listener?.close();
    await device.close();
    stop.close();
  }
  lost.signal.throwIfAborted();
  const { acknowledged, refused } = device.counts;
  const words = `acknowledged ${acknowledged}, refused ${refused}, kept ${device.kept}`;
  output.result({ acknowledged, refused, kept: device.kept }, words);
  return 0;
}

/**
 * OpenSSL's provider connects to a TPM once in the life of a process: what it lost comes back to another process alone. What fails twice,
 * with nothing acknowledged between, ends this one, and whoever runs it starts it again.
 */
class LostKey {
  readonly #controller = new AbortController();
  #at: number | undefined;
  /** Of the device, once it is open. */
  acknowledged = () => 0;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  failed(error: PortcullisError): void {
    if (error.code !== 'key_unusable') return;
    const before = this.#at;
    this.#at = this.acknowledged();
    if (before === this.#at) this.#controller.abort(error);
  }
}

/** Without a socket, on a disk that has none, it does the rest all the same. */
async function listen(
  device: Device,
  directory: string,
  notice: (words: string) => void,
): Promise<Listener | undefined> {
  if (process.platform === 'win32') return undefined;
  try {
    return await Listener.open(device, directory);
  } catch (error) {
    notice(`${(error as Error).message}; other processes can not send for now`);
    return undefined;
  }
}

async function measure(
  device: Device,
  { stream, intervalMs }: { stream: string; intervalMs: number },
  signal: AbortSignal,
  notice: (words: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await device.send(stream, await readMetrics());
    } catch (error) {
      notice((error as Error).message);
    }
    await pause(intervalMs, undefined, { signal }).catch(() => undefined);
  }
}

/** The timers of renewal may all be far away: something must hold the process. */
async function stayUntil(signal: AbortSignal): Promise<void> {
  const held = setInterval(() => undefined, 3_600_000);
  await once(signal, 'abort');
  clearInterval(held);
}
