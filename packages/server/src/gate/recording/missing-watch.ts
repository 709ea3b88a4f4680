import type { LeaseRequest } from '@portcullis/contract';
import type { Sink } from '../../storage/sink.ts';
import { type Log, timestamp } from '../../telemetry/telemetry.ts';

type Told = NonNullable<LeaseRequest['counters']['missing']>;

interface Parts {
  sink: Pick<Sink, 'oldestMissing'>;
  now(): number;
  log: Log;
}

const lookMs = 10_000;
/** What is late by less is on its way. */
const lateMs = 60_000;
const toldMax = 50;

/** Of whom readings are missing, for the authority, which may ring: looked up now and then. */
export class MissingWatch {
  readonly #parts: Parts;
  #told: Told = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  get told(): Told {
    return this.#told;
  }

  start(): void {
    this.#timer = setInterval(() => void this.look(), lookMs).unref();
  }

  async look(): Promise<void> {
    const { sink, now, log } = this.#parts;
    try {
      const oldest = await sink.oldestMissing(now() - lateMs, toldMax);
      this.#told = oldest.map(({ subject, readings, since }) => {
        return { subject: subject as Told[number]['subject'], readings, since: timestamp(since) };
      });
    } catch (error) {
      log.warn({ err: error }, "couldn't look which readings are missing");
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
