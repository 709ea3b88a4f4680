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
import type { Seals } from '../sealed/sealed.ts';
import type { ListenerLimits, ServerCredential } from '../tls.ts';
import { refuseMethod } from './answers.ts';
import { type Asked, Listener } from './listener.ts';
import { type OperatorParts, serveOperator } from './operators.ts';
import { ReadingExchange } from './reading-exchange.ts';
import { SealedExchange, type SealedParts } from './sealed-exchange.ts';
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
  seals: Seals;
}

const streamNameLengthMax = 63;

/** The gate's HTTP side: which request goes where. */
export class Front implements OpenListener {
  readonly #parts: FrontParts;
  readonly #readings: SealedParts;
  readonly #operators: OperatorParts;
  #listener: Listener | undefined;

  constructor(parts: FrontParts) {
    const { gate, ground, connections, verdicts, watching, metrics, status, heads, sink, system, intake, seals } =
      parts;
    this.#parts = parts;
    this.#readings = { ground, verdicts, watching, intake, seals, now: system.now };
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

  get inUse() {
    return { transport: 'https' as const, connections: this.#listener?.size ?? 0 };
  }

  swapCredential(credential: ServerCredential): void {
    this.#listener?.swapCredential(credential);
  }

  async close(): Promise<void> {
    await this.#listener?.close();
  }

  #handle(asked: Asked): void {
    const target = targetOf(asked.request.url ?? '');
    const into = target && intoStream(target);
    if (into === undefined) serveOperator(this.#operators, asked, target);
    else if (asked.request.method !== 'POST') refuseMethod(asked.request, asked.response, 'POST');
    else if (into.what === 'readings') new ReadingExchange(this.#readings, asked, into.stream).start();
    else new SealedExchange(this.#readings, asked, into.stream).start();
  }
}

const before = '/v1/streams/';

/** What is sent to which stream. */
function intoStream({ path, query }: Target): { stream: string; what: 'readings' | 'sealed' } | undefined {
  if (query !== undefined || !path.startsWith(before)) return undefined;
  const [name = '', what, ...rest] = path.slice(before.length).split('/', 3);
  if ((what !== 'readings' && what !== 'sealed') || rest.length > 0 || name === '') return undefined;
  return { stream: name.slice(0, streamNameLengthMax + 1), what };
}
