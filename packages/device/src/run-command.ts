import { once } from 'node:events';
import { readMetrics } from './metrics.ts';
import type { Output } from './output.ts';
import { sentenceOf } from './send-command.ts';
import { Device } from './sending-device.ts';

interface RunCommand {
  directory: string;
  metrics: { stream: string; intervalMs: number } | undefined;
}

/** Stays until it is told to stop: sends what waits, renews the credential and, if asked, measures this machine. */
export async function runDevice({ directory, metrics }: RunCommand, output: Output): Promise<number> {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  const notice = onlyChanges(output);
  const device = await Device.open({
    directory,
    onRefusal: (refusal) => notice(`refused: ${sentenceOf(refusal)}`),
    onFailure: (error) => notice(`${error.message}; trying again`),
  });
  output.notice(`portcullis-device: running as ${device.credential.subject}`);
  try {
    if (metrics) await measure(device, metrics, stop.signal, notice);
    else if (!stop.signal.aborted) await stayUntil(stop.signal);
  } finally {
    await device.close();
  }
  const { acknowledged, refused } = device.counts;
  output.result({ acknowledged, refused, kept: device.kept }, `acknowledged ${acknowledged}, kept ${device.kept}`);
  return 0;
}

async function measure(
  device: Device,
  { stream, intervalMs }: { stream: string; intervalMs: number },
  signal: AbortSignal,
  notice: (words: string) => void,
): Promise<void> {
  while (!signal.aborted) {
    await device.send(stream, await readMetrics()).catch((error: Error) => notice(error.message));
    await pause(intervalMs, signal);
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener(
      'abort',
      () => {
        clearTimeout(timer);
        resolve();
      },
      { once: true },
    );
  });
}

/** The timers of renewal may all be far away: something must hold the process. */
async function stayUntil(signal: AbortSignal): Promise<void> {
  const held = setInterval(() => undefined, 3_600_000);
  await once(signal, 'abort');
  clearInterval(held);
}

/** The same words are said once, however often they come. */
function onlyChanges(output: Output): (words: string) => void {
  let last = '';
  return (words) => {
    if (words !== last) output.notice(`portcullis-device: ${words}`);
    last = words;
  };
}
