import { fileURLToPath } from 'node:url';
import { PortcullisError } from '@portcullis/contract';

export type Role = 'authority' | 'gate' | 'desk';

const extension = import.meta.url.slice(import.meta.url.lastIndexOf('.'));
const packageRoot = new URL('../../', import.meta.url);
export const launcher = fileURLToPath(new URL('bin/portcullis.js', packageRoot));
const opensslFile = fileURLToPath(new URL('openssl.cnf', packageRoot));

/**
 * What Node itself is told: no TLS 1.3 tickets, 16 MiB in place of 64 for what is new (most of it is short-lived, however little room it
 * has), and in a clone the source instead of compiled files.
 */
export const nodeOptions: readonly string[] = [
  `--openssl-config=${opensslFile}`,
  '--max-semi-space-size=8',
  ...(extension === '.ts' ? ['--conditions=portcullis-source'] : []),
];

/**
 * What the C library is told: what is large is given back to the system as soon as it is free, and keeps no hole in the heap. Who sets the same
 * variable decides.
 */
export const nodeEnvironment = (): NodeJS.ProcessEnv => ({ MALLOC_MMAP_THRESHOLD_: '262144', ...process.env });

/**
 * This very process with the options that a listener needs; a process that was started without them becomes one that has them,
 * under the same id.
 */
export function requireNodeOptions(words: readonly string[]): void {
  if (nodeOptions.every((option) => process.execArgv.includes(option))) return;
  if (typeof process.execve !== 'function' || process.platform === 'win32') {
    throw new PortcullisError(
      'environment_refused',
      `start it as: node ${nodeOptions.join(' ')} ${launcher} ${words.join(' ')}`,
    );
  }
  const others = process.execArgv.filter((option) => !nodeOptions.includes(option));
  process.execve(
    process.execPath,
    [process.execPath, ...others, ...nodeOptions, launcher, ...words],
    nodeEnvironment() as Record<string, string>,
  );
}

export const stopSignals = ['SIGINT', 'SIGTERM'] as const;

/** Resolves when the process is told to stop: a signal, or the end of the channel to a parent that is gone. */
export function untilStopped(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of stopSignals) process.once(signal, () => resolve());
    process.once('disconnect', () => resolve());
  });
}
