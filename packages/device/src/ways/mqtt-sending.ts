import { PortcullisError } from '@portcullis/contract';
import { idIn } from '../outbox/reading.ts';
import type { Batch, Heard, Told } from '../outbox/way.ts';
import type { End, MqttConnection, Result, Verdict } from './mqtt-connection.ts';
import { refusalIn } from './mqtt-refusals.ts';

/** MQTT 5 §2.4. */
const packetTooLarge = 0x95;

/** One batch over one connection: what was heard of each of its readings, in their order. */
export class MqttSending {
  readonly #connection: MqttConnection;
  readonly #batch: Batch;
  readonly #verdicts: ({ verdict: Verdict } | undefined)[];
  #underWay = 0;
  /** Sent, and the connection ended before its answer came. */
  #lost = 0;
  #isStopped = false;
  #isHeard: () => void = () => undefined;
  #refresh: () => void = () => undefined;

  constructor(connection: MqttConnection, batch: Batch) {
    [this.#connection, this.#batch] = [connection, batch];
    this.#verdicts = batch.readings.map(() => undefined);
  }

  async run(): Promise<Heard> {
    const { signal, timeoutMs } = this.#batch;
    const abort = () => this.#connection.drop('was not waited for');
    const timer = setTimeout(() => this.#connection.drop('did not answer in time'), timeoutMs);
    this.#refresh = () => timer.refresh();
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    try {
      await this.#sendAll();
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
    }
    return this.#heard();
  }

  /** What is refused for anything but itself stops what would follow it: it would be refused too. */
  async #sendAll(): Promise<void> {
    for (const index of this.#verdicts.keys()) {
      await this.#connection.room();
      if (this.#isStopped || this.#connection.end) break;
      this.#send(index);
    }
    if (this.#underWay === 0) return;
    await new Promise<void>((resolve) => {
      this.#isHeard = resolve;
    });
  }

  #send(index: number): void {
    const { stream, readings } = this.#batch;
    const line = readings[index]?.line ?? '';
    const topic = `streams/${stream}/${idIn(line)}`;
    this.#underWay++;
    if (this.#connection.takes(topic, line))
      this.#connection.publish(topic, line, (result) => this.#take(index, result));
    else this.#take(index, { verdict: tooLarge });
  }

  #take(index: number, result: Result): void {
    this.#underWay--;
    this.#refresh();
    if ('end' in result) this.#lost++;
    else this.#verdicts[index] = result;
    if (!isSettled(this.#verdicts[index])) this.#isStopped = true;
    if (this.#underWay === 0) this.#isHeard();
  }

  /** What is settled behind one that is not is sent again: a gate stores it once. */
  #heard(): Heard {
    const end = this.#verdicts.findIndex((verdict) => !isSettled(verdict));
    const settled = this.#verdicts.slice(0, end === -1 ? undefined : end);
    if (settled.length > 0) {
      return { settled: settled.map((known) => known?.verdict?.problem), isRestLost: this.#lost > 0 };
    }
    return this.#verdicts[0]?.verdict ?? this.#toldBy(this.#connection.end as End);
  }

  #toldBy(end: End): Told {
    if ('told' in end) return end.told;
    const { code, message, cause } = end.failure;
    throw new PortcullisError(code, message, { cause, detail: { begun: this.#lost > 0 } });
  }
}

/** Acknowledged, or refused for what it is. */
function isSettled(known: { verdict: Verdict } | undefined): boolean {
  return known !== undefined && (known.verdict === undefined || known.verdict.reasonClass === 'reading');
}

const tooLarge = refusalIn({
  reasonCode: packetTooLarge,
  properties: { userProperties: { reason: 'reading_too_large' } },
});
