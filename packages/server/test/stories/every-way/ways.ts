/** One reading over each way in, and what its sender hears. */
import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { ReasonCode } from '@portcullis/contract';
import type { Packet } from 'mqtt-packet';
import { codes } from '../../../src/gate/listeners/coap/codes.ts';
import { optionNumbers } from '../../../src/oscore/oscore.ts';
import type { Leaf } from '../../fleet-certificates.ts';
import { parsed, reading } from '../../key-sensor.ts';
import { MqttClient } from '../../mqtt-client.ts';
import { OpenCoap } from '../../open-coap.ts';
import { Asking, derOf } from '../../open-decide.ts';
import { OpenFront, sinkWith, until } from '../../open-front.ts';
import { carry, sealOf } from '../../sealing.ts';
import type { Heard, Row } from './reasons.ts';

export const ways = ['http', 'mqtt5', 'mqtt4', 'sealed', 'coap', 'decide'] as const;
export type Way = (typeof ways)[number];

/** One gate with every listener, and what its row needs. */
export class EveryWay {
  readonly gate: OpenFront;
  readonly #row: Row;
  readonly #coap: OpenCoap;
  readonly #asking: Asking;

  private constructor(row: Row, gate: OpenFront, coap: OpenCoap, asking: Asking) {
    [this.#row, this.gate, this.#coap, this.#asking] = [row, gate, coap, asking];
  }

  static async open(row: Row, context: TestContext): Promise<EveryWay> {
    const telemetry = { kinds: ['device' as const], expect: { status: 'active' }, ...row.stream };
    let gate: OpenFront | undefined;
    gate = await OpenFront.open(context, {
      streams: { telemetry, free: { kinds: ['device'], expect: {} } },
      ...(row.queueReadingsMax !== undefined && { limits: { queueReadingsMax: row.queueReadingsMax } }),
      ...(row.sink && { sink: (real) => sinkWith(real, row.sink?.(real, () => gate as OpenFront) ?? {}) }),
    });
    const coap = await OpenCoap.beside(gate, context);
    const asking = await Asking.beside(gate, context);
    await row.arrange?.(gate, context);
    return new EveryWay(row, gate, coap, asking);
  }

  /** How often the gate refused with it: of readings, and of questions. */
  noted(reason: ReasonCode): number {
    return this.gate.verdicts.refusals.get(reason) ?? 0;
  }

  /** What whoever sends it hears. */
  over(way: Way, reason: ReasonCode): Promise<unknown> {
    if (this.#row.sink) this.gate.grant();
    const before = this.noted(reason);
    const noted = () => this.noted(reason) > before;
    switch (way) {
      case 'http':
        return this.#overHttp();
      case 'sealed':
        return this.#sealed();
      case 'coap':
        return this.#overCoap();
      case 'decide':
        return this.#decided();
      default:
        return this.#overMqtt(way === 'mqtt5' ? 5 : 4, noted);
    }
  }

  get #body(): string {
    return this.#row.body ?? '{"_id":"a","t":1}';
  }

  get #stream(): string {
    return this.#row.to ?? 'telemetry';
  }

  async #device(subject: string): Promise<Leaf> {
    const { gate } = this;
    const { isStranger, delta, before, standing } = this.#row;
    if (isStranger) return gate.certificates.leaf({ subject });
    const leaf = await gate.device(subject, delta);
    if (before !== undefined) {
      const agent = gate.agent(leaf);
      assert.equal((await gate.post(agent, before)).status, 202);
      agent.destroy();
    }
    if (standing) gate.change({ subject, certificates: [{ ...leaf, standing }] });
    return leaf;
  }

  async #overHttp(): Promise<Row['http']> {
    const { gate } = this;
    const agent = gate.agent(await this.#device('truck-http'));
    const headers = { 'content-type': this.#row.type ?? 'application/json' };
    const { status, body } = await gate.post(agent, this.#body, { stream: this.#stream, headers });
    agent.destroy();
    return [status, body.reason as ReasonCode];
  }

  /** A close without a word comes later: that there will be none is known when the refusal was noted and all that was said is there. */
  async #overMqtt(version: 4 | 5, noted: () => boolean): Promise<Heard> {
    const { gate } = this;
    const row = this.#row;
    const leaf = await this.#device(`truck-mqtt${version}`);
    const client = await MqttClient.open({ port: gate.mqttPort, ca: gate.certificates.rootPem }, leaf, version);
    client.connect();
    const codeOf = (packet: Packet) => Number(Reflect.get(packet, version === 5 ? 'reasonCode' : 'returnCode') ?? 0);
    const isTold = row.mqtt5.startsWith('connack');
    const first = (): Packet | undefined => client.heard[0];
    await until(
      () => first() !== undefined || (noted() && !isTold) || client.closed,
      'CONNECT is answered, or refused',
    );
    const welcome = first();
    if (welcome === undefined) return 'silence';
    if (codeOf(welcome) !== 0) return `connack ${codeOf(welcome)}`;
    const properties = row.type === undefined ? {} : { properties: { contentType: row.type } };
    client.publish(`streams/${this.#stream}`, this.#body, properties);
    await until(() => client.heard.length > 1 || noted() || client.closed, 'it is judged');
    const isKept = row.mqtt5.startsWith('puback');
    if (isKept) await until(() => client.heard.length > 1 || client.closed, 'it is acknowledged');
    const answer = client.heard[1];
    return answer === undefined ? 'silence' : `${answer.cmd as 'puback'} ${version === 4 ? 0 : codeOf(answer)}`;
  }

  /** By a gateway that nothing is wrong with: what is told is of the signer. */
  async #sealed(): Promise<string> {
    const { gate } = this;
    const signer = await this.#device('truck-sealed');
    const agent = gate.agent(await gate.device('gateway-1', { kind: 'gateway' }));
    const stream = this.#stream;
    const { status, problem, verdicts } = await carry(gate, agent, [sealOf(signer, this.#body, { stream })], {
      stream,
    });
    agent.destroy();
    const [verdict] = verdicts;
    if (verdict === undefined) return `carrier ${status} ${problem.reason}`;
    return verdict.verdict === 'refused' ? verdict.reason : verdict.verdict;
  }

  /** A sensor without a context is a stranger, whatever it once was. */
  async #overCoap(): Promise<string> {
    const { before, delta, standing, type } = this.#row;
    const coap = this.#coap;
    const subject = 'sensor-1';
    const sensor = coap.sensor(subject, delta);
    if (standing) {
      this.gate.change({ subject, certificates: [{ fingerprint: coap.fingerprint(sensor), standing }] });
      // Protected answers have another code outside (RFC 8613 §4.2).
      const { code } = parsed(await coap.exchange(sensor.first()));
      return code === codes.unauthorized ? 'a stranger' : `${code}`;
    }
    const textPlain = { number: optionNumbers.contentFormat, value: Buffer.alloc(0) };
    const asked = reading(this.#stream, this.#body, type === undefined ? [] : [textPlain]);
    if (before !== undefined) await coap.introduce(sensor, reading('telemetry', before));
    const { code, payload } = await (before === undefined ? coap.introduce(sensor, asked) : coap.ask(sensor, asked));
    return `${(code >> 5) * 100 + (code & 0x1f)} ${payload}`;
  }

  async #decided(): Promise<string> {
    const leaf = await this.#device('truck-decide');
    const { status, reason } = await this.#asking.ask(`/v1/decide?stream=${this.#stream}`, {
      'client-cert': derOf(leaf),
    });
    return reason === undefined ? String(status) : `${status} ${reason}`;
  }
}
