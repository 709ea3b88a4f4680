import type { ServerResponse } from 'node:http';
import type { VerdictView } from '@portcullis/contract';
import { type Ground, judge } from '../../admission/admit.ts';
import type { Connection } from '../../connections/connections.ts';
import { operations } from '../../policy/policy.ts';
import type { Verdicts } from '../../recording/verdicts.ts';
import type { Asked } from './listener.ts';
import type { Exchange, HttpTransport } from './transport.ts';

/** A reader that does not keep up loses its stream, not the gate its memory (FIELD-NOTES B13). */
const unreadBytesMax = 1_048_576;
/** A peer that is gone without a word is noticed by TCP. */
const aliveMs = 30_000;

/** `GET /v1/verdicts?follow=1`: verdicts as they happen, for as long as the operator's certificate is admitted. */
export class WatchExchange implements Exchange {
  readonly #transport: HttpTransport;
  readonly #response: ServerResponse;
  readonly #bearer: Connection;
  readonly #ground: Ground;
  readonly #subject: string | undefined;
  #stop: () => void = () => undefined;

  constructor({ transport, response, connection }: Asked, ground: Ground, subject: string | undefined) {
    this.#transport = transport;
    this.#response = response;
    this.#bearer = connection;
    this.#ground = ground;
    this.#subject = subject;
  }

  start(verdicts: Verdicts): void {
    this.#transport.begin(this);
    this.#response.writeHead(200, { 'content-type': 'application/x-ndjson' });
    this.#response.flushHeaders();
    this.#stop = verdicts.watch((view) => this.#tell(view));
    this.#transport.socket.setKeepAlive(true, aliveMs);
    this.#response.once('close', () => this.gone());
  }

  cut(): void {
    this.gone();
    this.#response.destroy();
  }

  gone(): void {
    this.#stop();
    this.#transport.finish(this);
  }

  /** Judged for each verdict, as a reading is: who watches at a gate that has heard nothing of a change is told nothing either. */
  #tell(view: VerdictView): void {
    if (this.#subject !== undefined && view.subject !== this.#subject) return;
    const refused = judge({ bearer: this.#bearer, stream: operations, data: [] }, this.#ground);
    if (!refused) this.#write(`${JSON.stringify(view)}\n`);
    else if (refused.reason !== 'replica_stale') this.cut();
  }

  #write(text: string): void {
    if (this.#response.writableLength > unreadBytesMax) this.cut();
    else this.#response.write(text);
  }
}
