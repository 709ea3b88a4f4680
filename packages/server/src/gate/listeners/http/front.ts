import type { GateHeads, GateStatus, SubjectId } from '@portcullis/contract';
import type { Sink } from '../../../storage/sink.ts';
import type { Figures } from '../../../telemetry/figures.ts';
import type { System } from '../../../telemetry/telemetry.ts';
import type { Ground } from '../../admission/admit.ts';
import type { Connections } from '../../connections/connections.ts';
import type { Verdicts } from '../../recording/verdicts.ts';
import type { Watching } from '../../watching/watching.ts';
import type { DoorNotes } from '../door-notes.ts';
import type { Intake } from '../intake.ts';
import type { OpenListener } from '../listeners.ts';
import { OnRecord } from '../on-record.ts';
import type { ListenerLimits, ServerCredential } from '../tls.ts';
import { refuseMethod } from './answers.ts';
import { type Asked, Listener } from './listener.ts';
import { type OperatorParts, serveOperator } from './operators.ts';
import { ReadingExchange, type ReadingParts } from './reading-exchange.ts';
import { type Target, targetOf } from './target.ts';

export interface FrontParts {
  gate: SubjectId;
  ground: Ground;
  connections: Connections;
  verdicts: Verdicts;
  watching: Watching;
  metrics: Figures;
  status(): Promise<GateStatus>;
  heads(): Promise<Pick<GateHeads, 'items' | 'holds'>>;
  sink: Sink;
  system: System;
  notes: DoorNotes;
  settings: { listen: { host: string; port: number }; limits: ListenerLimits };
  intake: Intake;
}

const streamNameLengthMax = 63;

/** The gate's HTTP side: which request goes where. */
export class Front implements OpenListener {
  readonly #parts: FrontParts;
  readonly #readings: ReadingParts;
  readonly #operators: OperatorParts;
  #listener: Listener | undefined;

  constructor(parts: FrontParts) {
    const { gate, ground, connections, verdicts, watching, metrics, status, heads, sink, system, intake } = parts;
    this.#parts = parts;
    this.#readings = { ground, verdicts, watching, intake, now: system.now };
    this.#operators = {
      gate,
      ground,
      connections,
      sink,
      verdicts,
      metrics,
      status,
      heads,
      now: system.now,
      onRecord: new OnRecord(ground.recording),
    };
  }

  async listen(credential: ServerCredential): Promise<number> {
    const { settings, connections, system, notes } = this.#parts;
    const { now, monotonic } = system;
    this.#listener = new Listener({
      ...settings.listen,
      ...{ limits: settings.limits, credential, connections, notes, now, monotonic },
      handle: (asked) => this.#handle(asked),
    });
    return this.#listener.listen();
  }

  get crowd(): { displaced: number; turnedAway: number } {
    return this.#listener?.crowd ?? { displaced: 0, turnedAway: 0 };
  }

  swapCredential(credential: ServerCredential): void {
    this.#listener?.swapCredential(credential);
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  #handle(asked: Asked): void {
    const target = targetOf(asked.request.url ?? '');
    const stream = target && streamIn(target);
    if (stream === undefined) serveOperator(this.#operators, asked, target);
    else if (asked.request.method === 'POST') new ReadingExchange(this.#readings, asked, stream).start();
    else refuseMethod(asked.request, asked.response, 'POST');
  }
}

const before = '/v1/streams/';
const after = '/readings';

function streamIn({ path, query }: Target): string | undefined {
  if (query !== undefined || !path.startsWith(before) || !path.endsWith(after)) return undefined;
  const name = path.slice(before.length, -after.length);
  return name.includes('/') || name === '' ? undefined : name.slice(0, streamNameLengthMax + 1);
}
