/** An endpoint without a network: a test is what sends, and sees what comes back. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { Connections } from '../src/gate/connections/connections.ts';
import { Challenges } from '../src/gate/listeners/coap/challenges.ts';
import { Endpoint } from '../src/gate/listeners/coap/endpoint.ts';
import type { KeyContext } from '../src/gate/listeners/coap/key-context.ts';
import { KeyContexts } from '../src/gate/listeners/coap/key-contexts.ts';
import { Openings } from '../src/gate/listeners/coap/openings.ts';
import type { Message, OpenedRequest } from '../src/oscore/oscore.ts';
import { FedReplica, fingerprintNamed } from './fed-replica.ts';
import { KeySensor, parsed, reading } from './key-sensor.ts';

export const home = { address: '192.0.2.1', port: 5683 };
export const stored: Message = { code: 0x44, options: [], payload: Buffer.alloc(0) };

interface Asked {
  context: KeyContext;
  opened: OpenedRequest;
  answer(inner: Message): void;
}

/** An endpoint, the sensors that it knows, and what went out. */
export class Place {
  readonly fed = new FedReplica();
  readonly sensor = new KeySensor(Buffer.from('a1b2c3', 'hex'));
  readonly #known = new Map([[this.sensor.keyId.toString('hex'), this.sensor]]);
  readonly sent: Buffer[] = [];
  readonly asked: Asked[] = [];
  readonly authority = { asked: 0, isDown: false };
  clock = 1_000_000;
  answersAtOnce = true;
  readonly connections: Connections;
  readonly contexts: KeyContexts;
  readonly endpoint: Endpoint;

  constructor(contextsMax = 100) {
    this.fed.change([{ subject: 'sensor-1', certificates: [{ fingerprint: fingerprintNamed('sensor-1') }] }]);
    const monotonic = () => this.clock;
    const validityTime = () => this.fed.clock.now;
    this.connections = new Connections({ replica: this.fed.replica, validityTime, isAdmissible: () => true });
    this.contexts = new KeyContexts({ connections: this.connections, contextsMax, monotonic });
    const contextOf = async (keyId: Buffer, idContext: Buffer) => {
      this.authority.asked++;
      if (this.authority.isDown) throw new Error('the authority is down');
      return this.#known.get(keyId.toString('hex'))?.asSeenByGate(idContext);
    };
    const challenges = new Challenges({ mark: Buffer.alloc(4), random: randomBytes, monotonic });
    const parts = {
      ...{ contexts: this.contexts, openings: new Openings({ contextOf, challenges, monotonic }), monotonic },
      fingerprintOf: (keyId: Buffer) =>
        this.#known.has(keyId.toString('hex')) ? Buffer.from(fingerprintNamed('sensor-1'), 'hex') : undefined,
      onUnavailable: () => undefined,
      onRequest: (context: KeyContext, opened: OpenedRequest, answer: (inner: Message) => void) => {
        this.asked.push({ context, opened, answer });
        if (this.answersAtOnce) answer(stored);
      },
      send: (datagram: Buffer) => void this.sent.push(datagram),
    };
    this.endpoint = new Endpoint(parts, 7);
  }

  /** What came back for it, once everything that it set off is over. */
  async exchange(datagram: Buffer, from = home): Promise<Buffer | undefined> {
    this.sent.length = 0;
    this.endpoint.receive(datagram, from);
    for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(this.sent.length <= 1, 'one answer at most');
    const [answer] = this.sent;
    assert.ok((answer?.length ?? 0) <= 3 * datagram.length, `${answer?.length} bytes for ${datagram.length}`);
    return answer;
  }

  async mustAnswer(datagram: Buffer, from = home): Promise<Buffer> {
    const answer = await this.exchange(datagram, from);
    assert.ok(answer, 'an answer came');
    return answer;
  }

  async code(datagram: Buffer, from = home): Promise<number | undefined> {
    const answer = await this.exchange(datagram, from);
    return answer && parsed(answer).code;
  }

  /** Both requests of appendix B.2; resolves to the second. */
  async introduce(inner = reading('temperature', '{"c":1}'), sensor = this.sensor): Promise<Buffer> {
    const second = sensor.second(await this.mustAnswer(sensor.first()), inner);
    assert.equal(sensor.opened(await this.mustAnswer(second)).code, 0x44);
    return second;
  }

  another(keyId: Buffer): KeySensor {
    const sensor = new KeySensor(keyId);
    this.#known.set(keyId.toString('hex'), sensor);
    return sensor;
  }

  count(outcome: Parameters<Endpoint['counts']['get']>[0]): number {
    return this.endpoint.counts.get(outcome) ?? 0;
  }
}
