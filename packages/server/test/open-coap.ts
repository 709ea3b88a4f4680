/** The gate's CoAP side over real UDP and a real sink, with a replica and a lease that the test owns, and sensors without an authority. */
import { createHash, randomBytes } from 'node:crypto';
import type { TestContext } from 'node:test';
import { CoapListener } from '../src/gate/listeners/coap/listener.ts';
import type { Message } from '../src/oscore/oscore.ts';
import { createLog, realSystem } from '../src/telemetry/telemetry.ts';
import type { Delta } from './fed-replica.ts';
import { KeySensor } from './key-sensor.ts';
import { type FrontOptions, OpenFront } from './open-front.ts';
import { Udp } from './udp.ts';

const nameOf = (keyId: Buffer) => createHash('sha256').update('oscore').update(keyId).digest();

export class OpenCoap {
  readonly front: OpenFront;
  readonly listener: CoapListener;
  readonly #sensors = new Map<string, KeySensor>();
  readonly #udp = new Udp();
  port = 0;

  private constructor(front: OpenFront) {
    this.front = front;
    const { ground, verdicts, watching, connections } = front;
    this.listener = new CoapListener({
      gate: 'gate-1',
      ...{
        ground,
        verdicts,
        watching,
        uses: { note: () => undefined },
        connections,
        contextsMax: 1_000,
        host: '127.0.0.1',
        port: 0,
      },
      ...{ system: realSystem, log: createLog({ role: 'gate', level: 'silent' }), nameOf },
      contextOf: async (keyId, idContext) => this.#sensors.get(keyId.toString('hex'))?.asSeenByGate(idContext),
    });
  }

  static async open(context: TestContext, options: FrontOptions = {}): Promise<OpenCoap> {
    return OpenCoap.beside(await OpenFront.open(context, options), context);
  }

  static async beside(front: OpenFront, context: TestContext): Promise<OpenCoap> {
    const opened = new OpenCoap(front);
    opened.port = await opened.listener.listen();
    context.after(async () => {
      await opened.listener.close();
      opened.#udp.close();
    });
    return opened;
  }

  /** One that is known and admitted, unless `delta` says otherwise. */
  sensor(subject: string, delta: Partial<Delta> = {}): KeySensor {
    const sensor = new KeySensor(randomBytes(2));
    this.#sensors.set(sensor.keyId.toString('hex'), sensor);
    const certificates = [{ fingerprint: this.fingerprint(sensor) }];
    this.front.change({ subject, attributes: { status: { value: 'active' } }, certificates, ...delta });
    return sensor;
  }

  fingerprint({ keyId }: KeySensor): string {
    return nameOf(keyId).toString('hex');
  }

  /** Both requests of RFC 8613 appendix B.2; resolves to the answer to what the second asks. */
  async introduce(sensor: KeySensor, inner: Message): Promise<Message> {
    return sensor.opened(await this.exchange(sensor.second(await this.exchange(sensor.first()), inner)));
  }

  async ask(sensor: KeySensor, inner: Message): Promise<Message> {
    return sensor.opened(await this.exchange(sensor.request(inner)));
  }

  exchange(datagram: Buffer): Promise<Buffer> {
    return this.#udp.exchange(datagram, this.port);
  }
}
