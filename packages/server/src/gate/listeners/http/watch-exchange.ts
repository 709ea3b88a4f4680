import type { SubjectId, VerdictView } from '@portcullis/contract';
import { timestamp } from '../../../telemetry/telemetry.ts';
import { type Ground, judge } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import { operations } from '../../policy/policy.ts';
import type { Verdicts, Watcher } from '../../recording/verdicts.ts';
import type { Asked } from './listener.ts';
import type { Exchange, HttpTransport, Outgoing } from './transport.ts';
import { WatchedLines } from './watched-lines.ts';

/** What is decided within so long goes out as one piece: a write costs more than many lines. */
const gatheredMs = 100;
/** A peer that is gone without a word is noticed by TCP. */
const aliveMs = 30_000;

interface Parts {
  gate: SubjectId;
  ground: Ground;
  verdicts: Verdicts;
  now(): number;
}

/**
 * `GET /v1/verdicts?follow=1`: verdicts as they happen, for as long as the operator's certificate is admitted. A reader that does not keep
 * up loses lines and is told how many, the gate neither memory nor time (FIELD-NOTES B13).
 */
export class WatchExchange implements Exchange, Watcher {
  readonly subject: string | undefined;
  readonly #transport: HttpTransport;
  readonly #response: Outgoing;
  readonly #bearer: Connection;
  readonly #parts: Parts;
  readonly #lines: WatchedLines;
  #gathering: NodeJS.Timeout | undefined;
  #stop: () => void = () => undefined;

  constructor({ transport, response, connection }: Asked, parts: Parts, subject: string | undefined) {
    this.#transport = transport;
    this.#response = response;
    this.#bearer = connection;
    this.#parts = parts;
    this.subject = subject;
    const { gate, now } = parts;
    this.#lines = new WatchedLines((dropped) => `${JSON.stringify({ at: timestamp(now()), gate, dropped })}\n`);
  }

  /** @throws {PortcullisError} `watchers_full` */
  start(): void {
    this.#stop = this.#parts.verdicts.watch(this);
    this.#transport.begin(this);
    this.#response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    this.#response.flushHeaders();
    this.#transport.socket.setKeepAlive(true, aliveMs);
    this.#response.once('close', () => this.gone());
  }

  cut(): void {
    this.gone();
    this.#response.destroy();
  }

  gone(): void {
    this.#stop();
    clearTimeout(this.#gathering);
    this.#transport.finish(this);
  }

  /** Judged for each verdict, as a reading is: who watches at a gate that has heard nothing of a change is told nothing either. */
  tell(view: VerdictView, line: string): void {
    const refused = judge({ bearer: this.#bearer, stream: operations, data: [] }, this.#parts.ground);
    if (!refused) this.#gather(view, line);
    else if (refused.reason !== 'replica_stale') this.cut();
  }

  #gather({ count }: VerdictView, line: string): void {
    const { counters } = this.#parts.verdicts;
    if (!this.#lines.add(line, count, this.#response.writableLength)) counters.untold += count;
    this.#gathering ??= setTimeout(() => this.#write(), gatheredMs).unref();
  }

  /** Who is behind is looked at again, so that he is told also where nothing more happens. */
  #write(): void {
    this.#gathering = undefined;
    const text = this.#lines.take(this.#response.writableLength);
    if (text !== '') this.#response.write(text);
    if (this.#lines.isBehind) this.#gathering = setTimeout(() => this.#write(), gatheredMs).unref();
  }
}
