/** Loaded into a process before its own code (`--import`): writes how long its longest turn was, by the CPU that its thread took in it. */
import { appendFileSync } from 'node:fs';
import { isMainThread } from 'node:worker_threads';

const windowMs = 250;
const directory = process.env.BENCH_TURNS;

if (directory && isMainThread) {
  const file = `${directory}/${process.pid}.ndjson`;
  const usedMs = () => {
    const { user, system } = process.threadCpuUsage();
    return (user + system) / 1_000;
  };
  let last = usedMs();
  let longest = 0;
  setInterval(() => {
    const now = usedMs();
    longest = Math.max(longest, now - last);
    last = now;
  }, 1).unref();
  setInterval(() => {
    appendFileSync(file, `${JSON.stringify({ at: Date.now(), longest })}\n`);
    longest = 0;
  }, windowMs).unref();
}
