import { PortcullisError } from '@portcullis/contract';
import { type Proof, provenBy } from '../link/proof.ts';
import { addressOf, type StrictConnector } from '../link/strict-connector.ts';
import { UnderWay } from '../link/under-way.ts';
import type { Clock } from '../outbox/clock.ts';
import type { Batch, Heard, Way } from '../outbox/way.ts';
import { MqttConnection } from './mqtt-connection.ts';
import { MqttSending } from './mqtt-sending.ts';

interface MqttParts {
  connector: StrictConnector;
  /** Of MQTT, as the credential in force names them now. */
  gates(): readonly string[];
  /** Free text: a gate knows a device by its certificate. With the same one a new connection takes the place of an old. */
  clientId: string;
  /** When the connections of the same identifier that were there before have ended: a new one would end them at once. */
  before?: Promise<void> | undefined;
  clock: Clock;
}

const portByDefault = 8883;
const proofMs = 3_000;

/** Each reading is a message of QoS 1, and each acknowledgement takes one out; all streams of a device share a connection to a gate. */
export class MqttWay implements Way {
  readonly noGate = 'no gate is known that takes MQTT';
  readonly #parts: MqttParts;
  readonly #connections = new Map<string, Promise<MqttConnection>>();
  readonly #underWay = new UnderWay();
  #isClosed = false;

  constructor(parts: MqttParts) {
    this.#parts = parts;
  }

  get gates(): readonly string[] {
    return this.#parts.gates();
  }

  send(batch: Batch): Promise<Heard> {
    return this.#underWay.during(this.#send(batch));
  }

  async #send(batch: Batch): Promise<Heard> {
    return await new MqttSending(await this.#connectionTo(batch.gate), batch).run();
  }

  /** By a client identifier of its own: the connection that readings are sent over stays. */
  prove(): Promise<Proof> {
    return provenBy(this.gates, async (gate) => {
      const { host, port } = placeOf(gate);
      const { connector, clientId, clock } = this.#parts;
      const connection = new MqttConnection(await connector.connect(host, port), addressOf(host, port));
      const tooLate = setTimeout(() => connection.drop('did not answer in time'), proofMs);
      connection.connect(`${clientId}-proof`, (time) => clock.heard(time));
      await connection.room();
      clearTimeout(tooLate);
      const { end } = connection;
      connection.close();
      // What a gate tells, whatever it is, it tells after the handshake.
      if (end && 'failure' in end) throw end.failure;
    });
  }

  async drain(milliseconds: number): Promise<void> {
    await this.#underWay.ended(milliseconds);
    this.close();
  }

  close(): void {
    this.#isClosed = true;
    this.#parts.connector.close();
    for (const opened of this.#connections.values()) opened.then((known) => known.close()).catch(() => undefined);
  }

  /** The one that is open, or is being opened for another stream; else a new one. */
  async #connectionTo(gate: string): Promise<MqttConnection> {
    const known = this.#connections.get(gate);
    const connection = await known;
    if (connection && !connection.end) return connection;
    if (this.#connections.get(gate) !== known) return this.#connectionTo(gate);
    const opened = this.#open(gate);
    this.#connections.set(gate, opened);
    opened.catch(() => this.#connections.delete(gate));
    return opened;
  }

  async #open(gate: string): Promise<MqttConnection> {
    const { host, port } = placeOf(gate);
    const { connector, clientId, clock, before } = this.#parts;
    await before;
    const connection = new MqttConnection(await connector.connect(host, port), addressOf(host, port));
    if (this.#isClosed) connection.close();
    else connection.connect(clientId, (time) => clock.heard(time));
    return connection;
  }
}

function placeOf(gate: string): { host: string; port: number } {
  const url = URL.canParse(gate) ? new URL(gate) : undefined;
  if (url?.protocol !== 'mqtts:' || url.hostname === '') {
    throw new PortcullisError('server_not_verified', `"${gate}" is not an mqtts address; plaintext is never spoken`);
  }
  return { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? portByDefault : Number(url.port) };
}
