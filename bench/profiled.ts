/** Loaded into a process before its own code (`--import`): profiles its main thread from one SIGUSR2 to the next, and writes what it saw. */
import { writeFileSync } from 'node:fs';
import { Session } from 'node:inspector';
import { isMainThread } from 'node:worker_threads';

const directory = process.env.BENCH_PROFILE;
const everyMicroseconds = 200;

if (directory && isMainThread) {
  const session = new Session();
  session.connect();
  let isOn = false;
  process.on('SIGUSR2', () => {
    if (isOn) {
      session.post('Profiler.stop', (_, stopped) => {
        writeFileSync(`${directory}/${process.pid}.cpuprofile`, JSON.stringify(stopped.profile));
      });
    } else {
      session.post('Profiler.enable');
      session.post('Profiler.setSamplingInterval', { interval: everyMicroseconds });
      session.post('Profiler.start');
    }
    isOn = !isOn;
  });
}
