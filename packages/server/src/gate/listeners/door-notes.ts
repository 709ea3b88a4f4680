import type { ReasonCode } from '@portcullis/contract';
import { Buckets, type DoorwayParts, tooManyWords } from '../../bounds/bounds.ts';
import type { Log, System } from '../../telemetry/telemetry.ts';
import type { Ground } from '../admission/admit.ts';
import type { Connection, Connections } from '../connections/connections.ts';
import type { TwoPlaces } from '../connections/two-places.ts';
import type { Verdicts } from '../recording/verdicts.ts';
import { type KeyExchange, keyExchanges } from './key-exchange.ts';

export interface DoorNotesParts {
  ground: Ground;
  connections: Connections;
  verdicts: Verdicts;
  twoPlaces: Pick<TwoPlaces, 'opened'>;
  limits: { connectionsPerCertificateMax: number };
  system: Pick<System, 'monotonic'>;
  log: Log;
}

/** Connections that had no room are told as often as this, with how many there were: a device that comes back and back fills no log. */
const tellMs = 10_000;
const refusedHandshake: ReasonCode = 'handshake_refused';

/** What is told of those who come, and of those who do not get in, whatever would have been spoken. */
export class DoorNotes {
  readonly #parts: DoorNotesParts;
  readonly #telling: Buckets;
  /** Handshakes that ended well, by how their keys were agreed on. */
  readonly exchanges = new Map<KeyExchange, number>(keyExchanges.map((one) => [one, 0]));

  constructor(parts: DoorNotesParts) {
    this.#parts = parts;
    this.#telling = new Buckets({ burst: 1, everyMs: tellMs, monotonic: parts.system.monotonic });
  }

  opened(exchange: KeyExchange): void {
    this.exchanges.set(exchange, (this.exchanges.get(exchange) ?? 0) + 1);
  }

  registered(connection: Connection): void {
    this.#parts.twoPlaces.opened(connection);
  }

  crowded(...[found, scarce]: Parameters<DoorwayParts['onFull']>): void {
    this.#parts.log.warn(found, tooManyWords('the gate', scarce));
  }

  /** A certificate had as many connections as it may when another came. */
  full(fingerprint: Buffer, remoteAddress: string, displaced: Connection | undefined): void {
    if (!this.#telling.take('')) return;
    const { connections, log, ground, limits } = this.#parts;
    const { connectionsPerCertificateMax } = limits;
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
  handshakeRefused(found: { error: string; remoteAddress: string }): void {
    const { verdicts, ground } = this.#parts;
    const { revision } = ground.replica;
    const nobody = { subject: null, certificate: null, stream: null, changedBy: null, changedAt: null };
    verdicts.refused(refusedHandshake, `tls ${found.error}`, null, 1, () => {
      return { ...nobody, verdict: 'refused', reason: refusedHandshake, expected: null, found, revision };
    });
  }
}
