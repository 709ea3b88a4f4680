/** A sink that is away when its gate starts, and comes later: the file's, or any other, beside the gate's account. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PortcullisError } from '@portcullis/contract';
import { withAccount } from '../src/storage/sink/account.ts';
import { LateSink } from '../src/storage/sink/late-sink.ts';
import type { SpooledSink } from '../src/storage/sink/spool/spooled-sink.ts';
import { openSpooledSink, openSqliteSink, requirePlace, type Sink } from '../src/storage/sink.ts';
import { createLog } from '../src/telemetry/telemetry.ts';
import { owner } from './spool-scene.ts';

const log = createLog({ role: 'gate', level: 'silent' });

export class LateScene {
  readonly directory: string;
  isAway = true;
  /** Once it is there. */
  inner: Sink | undefined;

  /** As the gate that had it before. */
  readonly openSink: () => Promise<Sink>;

  constructor(directory: string, openSink?: () => Promise<Sink>) {
    this.directory = directory;
    const file = join(directory, 'sink');
    mkdirSync(file, { recursive: true });
    this.openSink = openSink ?? (() => openSqliteSink(file));
  }

  open({ isSpooled = false } = {}): Promise<LateSink> {
    const open = async () => {
      if (this.isAway) throw new PortcullisError('store_unavailable', 'the sink is away');
      this.inner = await this.openSink();
      return this.inner;
    };
    const error = new PortcullisError('store_unavailable', 'the sink is away');
    return withAccount(
      this.directory,
      undefined,
      async (account) => new LateSink({ account, open, error, isSpooled, log }),
    );
  }

  async openSpooled(): Promise<SpooledSink> {
    const place = await requirePlace(this.directory, owner);
    const sink = await this.open({ isSpooled: true });
    const { directory } = this;
    const spooled = await openSpooledSink({ sink, directory, bytesMax: 64 * 1_048_576, owner, place, log });
    return closedWith(spooled, sink);
  }
}

/** The spool leaves its sink to whoever opened it. */
export function closedWith<Before extends Sink>(before: Before, sink: Sink): Before {
  const close = async () => {
    await before[Symbol.asyncDispose]();
    await sink[Symbol.asyncDispose]();
  };
  return new Proxy(before, {
    get: (target, name) => {
      if (name === Symbol.asyncDispose) return close;
      const value = Reflect.get(target, name, target) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
}
