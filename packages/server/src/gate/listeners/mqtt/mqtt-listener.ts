import { createServer, type TlsOptions } from 'node:tls';
import { Buckets, type Crowd } from '../../../bounds/bounds.ts';
import type { Log, System } from '../../../telemetry/telemetry.ts';
import type { Refused } from '../../admission/admit.ts';
import { describe } from '../../admission/explain.ts';
import type { Connection, Connections } from '../../connections/connections.ts';
import type { DoorNotes } from '../door-notes.ts';
import type { Intake } from '../intake.ts';
import type { OpenListener } from '../listeners.ts';
import { SecureDoor } from '../secure-door.ts';
import { type ListenerLimits, type ServerCredential, secureOptionsOf } from '../tls.ts';
import { Decoder } from './decode.ts';
import { Delays } from './delays.ts';
import type { Fault } from './fault.ts';
import type { PublicationParts } from './publications.ts';
import { Session, type SessionParts } from './session.ts';
import { Takeovers } from './takeovers.ts';
import { MqttTransport } from './transport.ts';

export interface MqttParts extends PublicationParts {
  intake: Intake;
  connections: Connections;
  notes: DoorNotes;
  system: System;
  log: Log;
  settings: { listen: { host: string }; limits: ListenerLimits };
}

const lookMs = 500;
/** Bytes that are no MQTT are told of as often as this, for each certificate. */
const faultMs = 10_000;

/** Who is spoken to, and what is spoken over it. */
class Spoken extends MqttTransport {
  session: Session | undefined;
}

/** MQTT 3.1.1 and 5 over mTLS, to send readings: a gate, not a broker. */
export class MqttListener implements OpenListener {
  readonly #parts: MqttParts;
  readonly #door: SecureDoor<Spoken>;
  readonly #sessions: SessionParts;
  readonly #faults: Buckets;
  #looking: NodeJS.Timeout | undefined;

  constructor(parts: MqttParts, credential: ServerCredential, port: number) {
    this.#parts = parts;
    const { settings, connections, notes, system } = parts;
    const { monotonic } = system;
    this.#faults = new Buckets({ burst: 1, everyMs: faultMs, monotonic });
    this.#sessions = {
      ...parts,
      makeClientId: () => `portcullis-${system.random(12).toString('hex')}`,
      decoders: { 4: new Decoder(4), 5: new Decoder(5) },
      delays: new Delays({ monotonic }),
      takeovers: new Takeovers<Session>(),
      noteRefused: (connection, refused) => this.#noteRefused(connection, refused),
      noteFault: (connection, fault) => this.#noteFault(connection, fault),
    };
    const { limits, listen } = settings;
    const door = { host: listen.host, port, limits, connections, notes, monotonic };
    this.#door = new SecureDoor(createServer(optionsOf(credential, limits)), door, {
      make: (socket) => new Spoken(socket, monotonic),
      opened: (transport, connection) => {
        transport.session = new Session(this.#sessions, connection, transport);
      },
    });
  }

  get crowd(): Crowd {
    return this.#door.crowd;
  }

  get inUse() {
    return { transport: 'mqtt' as const, connections: this.#door.size };
  }

  async listen(): Promise<number> {
    const port = await this.#door.listen();
    this.#looking = setInterval(() => this.#look(), lookMs).unref();
    return port;
  }

  swapCredential(credential: ServerCredential): void {
    this.#door.swapCredential(credential);
  }

  async close(): Promise<void> {
    await this.#door.close();
    clearInterval(this.#looking);
  }

  #look(): void {
    for (const [, transport] of this.#door.entries()) {
      transport.look(this.#parts.settings.limits);
      transport.session?.look();
    }
  }

  #noteRefused(connection: Connection, refused: Refused): void {
    const { verdicts, ground, now } = this.#parts;
    const described = () => describe(refused, connection, null, ground.replica);
    verdicts.sightings.note(connection.subjectId, { at: now(), verdict: 'refused' });
    verdicts.refused(refused.reason, connection.name, null, 1, described);
  }

  #noteFault({ name: certificate, subjectId, transport }: Connection, { code, words }: Fault): void {
    if (!this.#faults.take(certificate)) return;
    const { remoteAddress } = transport;
    const found = { subject: subjectId || null, certificate, remoteAddress, code };
    this.#parts.log.info(found, `a connection over MQTT was closed: ${words}`);
  }
}

function optionsOf(credential: ServerCredential, limits: ListenerLimits): TlsOptions {
  return {
    ...secureOptionsOf(credential),
    requestCert: true,
    rejectUnauthorized: true,
    // Who asks for another protocol at this port is at the wrong one (RFC 7301 §3.2).
    ALPNProtocols: ['mqtt'],
    handshakeTimeout: limits.handshakeMs,
    noDelay: true,
  };
}
