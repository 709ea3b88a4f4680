import type { GateHeads, GateStatus, SubjectId } from '@portcullis/contract';
import type { Crowd } from '../../../bounds/bounds.ts';
import type { Sink } from '../../../storage/sink.ts';
import type { Figures, ToldFigures } from '../../../telemetry/figures.ts';
import type { Log, System } from '../../../telemetry/telemetry.ts';
import type { Ground } from '../../admission/admit.ts';
import type { Shield } from '../../admission/shield.ts';
import type { Connections } from '../../connections/connections.ts';
import type { Verdicts } from '../../recording/verdicts.ts';
import type { Watching } from '../../watching/watching.ts';
import type { DoorNotes } from '../door-notes.ts';
import type { Intake } from '../intake.ts';
import type { OpenListener } from '../listeners.ts';
import { OnRecord } from '../on-record.ts';
import type { Seals } from '../sealed/sealed.ts';
import type { SubmissionParts } from '../submission.ts';
import type { ListenerLimits, ServerCredential } from '../tls.ts';
import { refuseMethod } from './answers.ts';
import { FellowDoor, type FellowDoorParts } from './fellow-door.ts';
import { type Fellows, ofWorker } from './fellows.ts';
import { type Asked, type AskedHere, Listener } from './listener.ts';
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
  uses: SubmissionParts['uses'];
  metrics: Figures;
  /** What an operator is told of them. */
  figures: ToldFigures;
  /** Where the gate runs as several processes: the others. */
  fellows: Fellows | undefined;
  status(): Promise<GateStatus>;
  heads(): Promise<Pick<GateHeads, 'items' | 'holds'>>;
  /** The version of the trust bundle that devices should have by now. */
  bundleDue(): number | undefined;
  sink: Sink;
  system: System;
  log: Log;
  notes: DoorNotes;
  settings: { listen: { host: string; port: number }; limits: ListenerLimits };
  intake: Intake;
  shield: Shield;
  seals: Seals;
}

const streamNameLengthMax = 63;

/** The gate's HTTP side: which request goes where. */
export class Front implements OpenListener {
  readonly #parts: FrontParts;
  readonly #readings: SealedParts;
  readonly #operators: OperatorParts;
  #listener: Listener | undefined;
  #fellowDoor: FellowDoor | undefined;
  /** What was asked last, and where it goes: most devices of a gate send to the same stream. */
  #known: Asking = { url: '', target: undefined, into: undefined };

  constructor(parts: FrontParts) {
    const { gate, ground, connections, verdicts, watching, uses, figures, status, heads, sink, system } = parts;
    const { intake, shield, seals, log, bundleDue } = parts;
    this.#parts = parts;
    this.#readings = { ground, verdicts, watching, uses, intake, shield, seals, bundleDue, log, now: system.now };
    this.#operators = {
      gate,
      ground,
      connections,
      sink,
      verdicts,
      metrics: figures,
      status,
      heads,
      now: system.now,
      onRecord: new OnRecord(ground.recording),
    };
  }

  async listen(credential: ServerCredential): Promise<number> {
    const { settings, connections, fellows, metrics, system, notes } = this.#parts;
    const { now, monotonic } = system;
    if (fellows) {
      const serve: FellowDoorParts['serve'] = (asked, target) => serveOperator(this.#operators, asked, target);
      this.#fellowDoor = new FellowDoor({ fellows, figures: metrics, connections, monotonic, serve });
      await this.#fellowDoor.listen();
    }
    this.#listener = new Listener({
      ...settings.listen,
      ...{ limits: settings.limits, credential, connections, notes, now, monotonic },
      handle: (asked) => this.#handle(asked),
    });
    return this.#listener.listen();
  }

  get crowd(): Crowd {
    return this.#listener?.crowd ?? { displaced: 0, turnedAway: 0, unfinishedBytes: 0 };
  }

  get inUse() {
    return { transport: 'https' as const, connections: this.#listener?.size ?? 0 };
  }

  swapCredential(credential: ServerCredential): void {
    this.#listener?.swapCredential(credential);
  }

  async close(): Promise<void> {
    await Promise.all([this.#listener?.close(), this.#fellowDoor?.close()]);
  }

  #handle(asked: AskedHere): void {
    const { target, into } = this.#asking(asked.request.url);
    if (into === undefined) this.#serve(asked, target);
    else if (asked.request.method !== 'POST') refuseMethod(asked.request, asked.response, 'POST');
    else if (into.what === 'readings') new ReadingExchange(this.#readings, asked, into.stream).start();
    else new SealedExchange(this.#readings, asked, into.stream).start();
  }

  #asking(url: string): Asking {
    if (url === this.#known.url) return this.#known;
    const target = targetOf(url);
    this.#known = { url, target, into: target && intoStream(target) };
    return this.#known;
  }

  #serve(asked: Asked, target: Target | undefined): void {
    const { fellows } = this.#parts;
    const wanted = fellows && target && ofWorker(target);
    if (wanted && wanted.number !== fellows.number) fellows.relay(asked, wanted);
    else serveOperator(this.#operators, asked, wanted?.target ?? target);
  }
}

/** What is sent to which stream. */
interface Into {
  stream: string;
  what: 'readings' | 'sealed';
}

interface Asking {
  url: string;
  target: Target | undefined;
  into: Into | undefined;
}

const before = '/v1/streams/';

function intoStream({ path, query }: Target): Into | undefined {
  if (query !== undefined || !path.startsWith(before)) return undefined;
  const [name = '', what, ...rest] = path.slice(before.length).split('/', 3);
  if ((what !== 'readings' && what !== 'sealed') || rest.length > 0 || name === '') return undefined;
  return { stream: name.slice(0, streamNameLengthMax + 1), what };
}
