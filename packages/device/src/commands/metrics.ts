import { readFile, statfs } from 'node:fs/promises';
import { cpus, freemem, hostname, loadavg, totalmem, uptime } from 'node:os';

const temperatureFile = '/sys/class/thermal/thermal_zone0/temp';

/** What this machine is like right now: load, memory and disk, and its temperature where it has a sensor. */
export async function readMetrics(): Promise<Record<string, unknown>> {
  const disk = await statfs('/');
  const temperature = await readTemperature();
  return {
    host: hostname(),
    load: rounded(loadavg()[0] ?? 0, 2),
    cores: cpus().length,
    memoryUsedPercent: rounded((1 - freemem() / totalmem()) * 100, 1),
    diskUsedPercent: rounded((1 - disk.bavail / Math.max(1, disk.blocks)) * 100, 1),
    uptimeSeconds: Math.round(uptime()),
    ...(temperature !== undefined && { temperature }),
  };
}

/** Degrees Celsius; the kernel tells thousandths. */
async function readTemperature(): Promise<number | undefined> {
  const text = await readFile(temperatureFile, 'utf8').catch(() => undefined);
  const value = Number(text);
  return text === undefined || !Number.isFinite(value) ? undefined : rounded(value / 1000, 1);
}

function rounded(value: number, digits: number): number {
  return Math.round(value * 10 ** digits) / 10 ** digits;
}
