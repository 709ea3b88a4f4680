/** A spool before a sink that can be away, lose its answers, or take a record no more; the sink is the file's unless it is said. */
import { PortcullisError } from '@portcullis/contract';
import { type Disk, realDisk } from '../src/storage/sink/spool/disk.ts';
import type { SpooledSink } from '../src/storage/sink/spool/spooled-sink.ts';
import { openSpooledSink, openSqliteSink, requirePlace, type Sink, type SinkWrite } from '../src/storage/sink.ts';
import { createLog } from '../src/telemetry/telemetry.ts';
import { eventually } from './house.ts';

export const owner = { sink: 'plant at 127.0.0.1:5432, schema readings', gate: 'gate-1' };

/** What becomes of a call that changes something. */
type Fault = 'away' | 'answerLost' | 'broken';

export class Scene {
  /** Of the next calls, by name; without one of them they reach the sink. */
  fault: Fault | undefined;
  /** Where a fault is only of some calls. */
  onlyFor: ((name: string, write: SinkWrite) => boolean) | undefined;
  /** What reached the sink. */
  readonly writes: SinkWrite[] = [];
  readonly directory: string;
  bytesMax = 64 * 1_048_576;
  disk: Disk = realDisk;
  owner = owner;
  #inner: Sink | undefined;
  readonly #openInner: (directory: string) => Promise<Sink>;

  constructor(directory: string, openInner: (directory: string) => Promise<Sink> = openSqliteSink) {
    [this.directory, this.#openInner] = [directory, openInner];
  }

  async open(): Promise<SpooledSink> {
    const place = await requirePlace(this.directory, this.owner);
    const inner = await this.#openInner(this.directory);
    this.#inner = inner;
    const log = createLog({ role: 'gate', level: 'silent' });
    const { directory, bytesMax, disk } = this;
    const spooled = await openSpooledSink({
      ...{ sink: this.#faulty(inner), directory, bytesMax, disk, place, owner: this.owner, log },
    });
    return closing(spooled, async () => {
      await spooled[Symbol.asyncDispose]();
      await inner[Symbol.asyncDispose]();
    });
  }

  /** As a process that is killed: what it has on disk stays as it is. */
  async kill(sink: SpooledSink): Promise<void> {
    this.fault = 'away';
    await sink[Symbol.asyncDispose]();
    this.fault = undefined;
  }

  get inner(): Sink {
    return this.#inner as Sink;
  }

  drained(sink: SpooledSink): Promise<void> {
    return eventually(() => sink.spool.state === 'empty', 'the spool is empty');
  }

  #faulty(inner: Sink): Sink {
    return new Proxy(inner, {
      get: (target, name) => {
        const value = Reflect.get(target, name, target) as unknown;
        if (typeof value !== 'function') return value;
        if (name !== 'write' && name !== 'mark' && name !== 'settle') return value.bind(target);
        return async (asked: SinkWrite, ...more: unknown[]) => {
          const isMeant = this.onlyFor === undefined || this.onlyFor(String(name), asked);
          const fault = isMeant ? this.fault : undefined;
          if (fault === 'away') throw new PortcullisError('store_unavailable', 'the sink is away');
          if (fault === 'broken') throw new Error('the sink does not take it');
          const answer = await (value.call(target, asked, ...more) as Promise<unknown>);
          if (name === 'write') this.writes.push(asked);
          if (fault === 'answerLost') throw new PortcullisError('store_unavailable', 'its answer is lost');
          return answer;
        };
      },
    });
  }
}

function closing(sink: SpooledSink, close: () => Promise<void>): SpooledSink {
  return new Proxy(sink, {
    get: (target, name) => {
      if (name === Symbol.asyncDispose) return close;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
