import type { GateHeads, GateStatus, ReasonCode, SubjectId } from '@portcullis/contract';
import type { Sink } from '../../../storage/sink.ts';
import type { Figures } from '../../../telemetry/figures.ts';
import type { Log, System } from '../../../telemetry/telemetry.ts';
import type { Ground } from '../../admission/admit.ts';
import type { Connection, Connections } from '../../connections/connections.ts';
import type { Verdicts } from '../../recording/verdicts.ts';
import type { Watching } from '../../watching/watching.ts';
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
  log: Log;
  settings: { listen: { host: string; port: number }; limits: ListenerLimits };
  intake: Intake;
}

const streamNameLengthMax = 63;
const refusedHandshake: ReasonCode = 'handshake_refused';
/** Connections that had no room are told as often as this, with how many there were: a device that comes back and back fills no log. */
const tellMs = 10_000;

/** The gate's HTTP side: which request goes where. */
export class Front implements OpenListener {
  readonly #parts: FrontParts;
  readonly #readings: ReadingParts;
  readonly #operators: OperatorParts;
  #listener: Listener | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;

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
    const { settings, connections, system, log } = this.#parts;
    this.#listener = new Listener({
      ...settings.listen,
      ...{ limits: settings.limits, credential, connections, now: system.now, monotonic: system.monotonic },
      handle: (asked) => this.#handle(asked),
      onHandshakeRefused: (refused) => this.#handshakeRefused(refused),
      onCrowded: (found) =>
        log.warn(
          found,
          'the gate has as many connections as it may: one of the address that has most gave way, or a new one was turned away',
        ),
      onFull: (certificate, remoteAddress, displaced) => this.#tellFull(certificate, remoteAddress, displaced),
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

  #tellFull(fingerprint: Buffer, remoteAddress: string, displaced: Connection | undefined): void {
    const { connections, log, system, ground, settings } = this.#parts;
    const now = system.monotonic();
    if (now - this.#toldAt < tellMs) return;
    this.#toldAt = now;
    const { connectionsPerCertificateMax } = settings.limits;
    const row = ground.replica.find(fingerprint);
    const subject = row === -1 ? null : ground.replica.subjectId(ground.replica.subjectOf(row));
    const certificate = fingerprint.toString('hex');
    const counts = { displaced: connections.displaced, turnedAway: connections.turnedAway };
    log.info(
      { subject, certificate, remoteAddress, connectionsPerCertificateMax, ...counts },
      displaced
        ? 'a certificate had as many connections as it may: the one that was silent for longest made room for a new one'
        : 'a certificate has as many connections as it may, each with something under way: a new one was turned away',
    );
  }

  /** TLS says why, and not who (FIELD-NOTES B5). */
  #handshakeRefused(found: { error: string; remoteAddress: string }): void {
    const { verdicts, ground } = this.#parts;
    const { revision } = ground.replica;
    const nobody = { subject: null, certificate: null, stream: null, changedBy: null, changedAt: null };
    verdicts.refused(refusedHandshake, `tls ${found.error}`, null, 1, () => {
      return { ...nobody, verdict: 'refused', reason: refusedHandshake, expected: null, found, revision };
    });
  }
}

const before = '/v1/streams/';
const after = '/readings';

function streamIn({ path, query }: Target): string | undefined {
  if (query !== undefined || !path.startsWith(before) || !path.endsWith(after)) return undefined;
  const name = path.slice(before.length, -after.length);
  return name.includes('/') || name === '' ? undefined : name.slice(0, streamNameLengthMax + 1);
}
