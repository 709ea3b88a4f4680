/** Small things that several benches need. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';

const ticksPerSecond = 100;

/** CPU seconds, user and system, that a process and its threads have used. */
export function cpuSeconds(pid: number): number {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

export function quantile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN;
}

export const rounded = (value: number, digits = 1) => value.toFixed(digits);
export const thousands = (value: number) => Math.round(value).toLocaleString('en-US').replaceAll(',', ' ');

/** A process, with all its threads, to one processor. */
export function pin(pid: number | undefined, cpu: number): void {
  setAffinity(pid, String(cpu));
}

/** To any of them again. */
export function unpin(pid: number | undefined): void {
  setAffinity(pid, `0-${cpus().length - 1}`);
}

function setAffinity(pid: number | undefined, list: string): void {
  const { status, stderr } = spawnSync('taskset', ['-a', '-p', '-c', list, String(pid)], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`taskset: ${stderr}`);
}
