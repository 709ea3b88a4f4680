/** What the decision log costs for each admitted reading, while nobody watches, one does, and as many as may. */
import type { SubjectId } from '@portcullis/contract';
import { WatchedLines } from '../packages/server/src/gate/listeners/http/watched-lines.ts';
import { Verdicts, type Watcher } from '../packages/server/src/gate/recording/verdicts.ts';
import { createLog, realSystem } from '../packages/server/src/telemetry/telemetry.ts';
import type { Row } from './bench.ts';
import { quantile, rounded, thousands } from './measure.ts';

const rounds = 7;
const perSecond = 10_000;
/** Each second another one, so that each has lines of its own. */
const certificates = Array.from({ length: perSecond }, (_, index) => index.toString(16).padStart(64, '0'));

/** A second of a busy gate: microseconds of CPU for each reading. What sockets cost is not in it. */
async function second(watchers: number): Promise<number> {
  const sink = { keepRefusals: async () => undefined };
  const log = createLog({ role: 'gate', level: 'silent' });
  const verdicts = new Verdicts({ gate: 'gate-1' as SubjectId, sink, system: realSystem, log });
  const all = Array.from({ length: watchers }, () => new WatchedLines(String));
  const watcherOf = (lines: WatchedLines): Watcher => ({ tell: (view, line) => void lines.add(line, view.count, 0) });
  const stops = all.map((lines) => verdicts.watch(watcherOf(lines)));
  const before = process.cpuUsage();
  for (const [index, name] of certificates.entries()) {
    verdicts.admitted(name, `device-${index}`, 'telemetry', 7, 1);
    if (index % 1_000 === 999) for (const lines of all) Buffer.from(lines.take(0));
  }
  await verdicts.flush();
  for (const lines of all) Buffer.from(lines.take(0));
  const { user, system } = process.cpuUsage(before);
  for (const stop of stops) stop();
  return (user + system) / perSecond;
}

export async function benchWatch(): Promise<Row[]> {
  const seen = new Map<number, number[]>([0, 1, 16].map((watchers) => [watchers, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const [watchers, costs] of seen) {
      const cost = await second(watchers);
      if (round > 0) costs.push(cost);
    }
  }
  const alone = quantile(seen.get(0) ?? [], 0.5);
  return [...seen].map(([watchers, costs]) => {
    const cost = quantile(costs, 0.5);
    return {
      what: `decision log, CPU for each of ${thousands(perSecond)} readings a second, ${watchers} watch`,
      ours: `${rounded(cost, 2)} µs`,
      peer: watchers === 0 ? '' : `${rounded(alone, 2)} µs (nobody watches)`,
      target: '',
      met: null,
    };
  });
}
