/**
 * A gate that stops itself between its commit and its look at the lease, where a reading has a member `stop`: the moment at which
 * a machine's scheduler can leave it for as long as it likes. `node stopping-gate.ts DIRECTORY`
 */
import { writeSync } from 'node:fs';
import { assembleGate } from '../../../src/assemble-gate.ts';
import { GatePolicyFiles } from '../../../src/config/config.ts';
import type { Sink, SinkWrite } from '../../../src/storage/sink.ts';

function stopIn({ requests }: SinkWrite): string | undefined {
  const data = requests.flatMap((request) => request.data.map((text) => JSON.parse(text) as { stop?: string }));
  return data.find(({ stop }) => stop !== undefined)?.stop;
}

/** The write is durable when the process stops, and not yet answered. */
function stopping(sink: Sink): Sink {
  const write: Sink['write'] = async (batch) => {
    const outcomes = await sink.write(batch);
    const stop = stopIn(batch);
    if (stop !== undefined) {
      writeSync(1, `stopped after ${stop}\n`);
      process.kill(process.pid, 'SIGSTOP');
    }
    return outcomes;
  };
  return new Proxy(sink, {
    get: (target, name) => {
      if (name === 'write') return write;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === 'function' ? member.bind(target) : member;
    },
  });
}

const directory = process.argv[2] as string;
const end = new AbortController();
const files = new GatePolicyFiles(directory);
const gate = await assembleGate(directory, files, end.signal, { disk: stopping });
writeSync(1, `gate listening on ${gate.port}\n`);
process.once('SIGTERM', () => void gate[Symbol.asyncDispose]());
