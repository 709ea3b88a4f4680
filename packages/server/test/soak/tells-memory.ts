/**
 * Loaded into a process before its own code (`--import`): on each SIGUSR2 it collects garbage and writes what it holds to a file. With
 * `SOAK_BREAK=sockets` it keeps every connection that it accepts, with a buffer, as a leak would.
 */
import { channel } from 'node:diagnostics_channel';
import { renameSync, writeFileSync } from 'node:fs';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { isMainThread } from 'node:worker_threads';
import type { Memory } from './memory.ts';

const { SOAK_MEMORY: directory, SOAK_BREAK: broken } = process.env;
const kept: unknown[] = [];
const keptBytes = 16_384;

if (directory && isMainThread) {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  process.on('SIGUSR2', () => {
    // What the first frees natively is seen by the second.
    for (let time = 0; time < 2; time++) collect();
    const { rss, heapUsed, external } = process.memoryUsage();
    const file = `${directory}/${process.pid}.json`;
    const told: Memory = { rss, heap: heapUsed, external };
    writeFileSync(`${file}.next`, JSON.stringify(told));
    renameSync(`${file}.next`, file);
  });
  if (broken === 'sockets') {
    channel('net.server.socket').subscribe((message) => kept.push([message, Buffer.alloc(keptBytes, 1)]));
  }
}
