/**
 * Every reason over every way in: the decision is one, so each of them notes the same reason; how it is told is the way's own (FIELD-NOTES A2).
 * What TLS itself refuses is in no way's hands, and a seal's own reasons are of what is carried: other files have these.
 */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { ReasonCode } from '@portcullis/contract';
import type { Packet } from 'mqtt-packet';
import type { StreamConfig } from '../../../src/gate/policy/policy.ts';
import type { Sink } from '../../../src/storage/sink.ts';
import type { Delta } from '../../fed-replica.ts';
import type { Leaf } from '../../fleet-certificates.ts';
import { MqttClient } from '../../mqtt-client.ts';
import { OpenFront, sinkWith, until } from '../../open-front.ts';

/** What is heard over MQTT; `silence`: nothing is, and nothing is acknowledged. */
type Heard = 'silence' | `connack ${number}` | `puback ${number}`;

interface Row {
  /** The stream that is sent to: with `telemetry` alone its refusal keeps the device out, beside `free` it is one of this stream. */
  stream?: Partial<StreamConfig>;
  delta?: Partial<Delta>;
  standing?: 'suspended' | 'revoked' | 'superseded';
  /** Sent before, and taken. */
  before?: string;
  body?: string;
  type?: string;
  to?: string;
  sink?: (real: Sink, gate: () => OpenFront) => Partial<Sink>;
  queueReadingsMax?: number;
  arrange?: (gate: OpenFront, context: TestContext) => unknown;
  /** The device is none of the fleet. */
  isStranger?: true;
  http: [status: number, told: ReasonCode];
  mqtt5: Heard;
  /** Undefined: it can not be said in 3.1.1. */
  mqtt4: Heard | undefined;
}

const status = (value: string | boolean | number) => ({ attributes: { status: { value } } });
const expected = (of: 'ambiguous' | undefined) => ({ attributes: [], of: () => of });
const [notAuthorized, topic, quota, payload, own] = [0x87, 0x90, 0x97, 0x99, 0x83];
/** The gate's own trouble, and what can be taken back, is told to nobody who would stay away for it. */
const silent = { mqtt5: 'silence', mqtt4: 'silence' } as const;
const onlyHere = { mqtt5: `puback ${notAuthorized}`, mqtt4: 'puback 0' } as const;
const kept = (code: number) => ({ mqtt5: `puback ${code}`, mqtt4: 'puback 0' }) as const;

type Elsewhere = 'handshake' | 'told' | 'seals' | 'decide' | 'sensors';
type Rows = { [Reason in ReasonCode]: Row | Elsewhere };

const rows: Rows = {
  not_admitted: 'told',
  handshake_refused: 'handshake',
  certificate_missing: 'handshake',
  certificate_unknown: {
    isStranger: true,
    http: [403, 'certificate_unknown'],
    mqtt5: `connack ${notAuthorized}`,
    mqtt4: 'connack 5',
  },
  certificate_not_yet_valid: {
    arrange: (gate, context) => context.mock.method(gate.ground, 'validityTime', () => 0),
    http: [403, 'certificate_not_yet_valid'],
    ...silent,
  },
  certificate_expired: {
    arrange: (gate, context) => context.mock.method(gate.ground, 'validityTime', () => Date.parse('2999-01-01')),
    http: [403, 'certificate_expired'],
    ...silent,
  },
  certificate_suspended: { standing: 'suspended', http: [403, 'not_admitted'], ...silent },
  certificate_revoked: {
    standing: 'revoked',
    http: [403, 'not_admitted'],
    mqtt5: `connack ${notAuthorized}`,
    mqtt4: 'connack 5',
  },
  certificate_superseded: {
    standing: 'superseded',
    http: [403, 'certificate_superseded'],
    mqtt5: `connack ${notAuthorized}`,
    mqtt4: 'connack 5',
  },
  kind_not_admitted: { stream: { kinds: ['gateway'] }, http: [403, 'kind_not_admitted'], ...onlyHere },
  stream_unknown: { to: 'nothing', http: [404, 'stream_unknown'], ...kept(topic) },
  attribute_missing: { stream: { expect: { site: 'berlin' } }, http: [403, 'attribute_missing'], ...onlyHere },
  attribute_type_mismatch: { delta: status(true), http: [403, 'attribute_type_mismatch'], ...onlyHere },
  attribute_not_expected: { delta: status('off'), http: [403, 'attribute_not_expected'], ...onlyHere },
  subject_condition_not_met: {
    stream: { when: 'subject.id == "other"' },
    http: [403, 'subject_condition_not_met'],
    ...onlyHere,
  },
  subject_condition_failed: {
    stream: { expect: {}, when: 'attributes.status.startsWith("a")' },
    delta: status(7),
    http: [403, 'subject_condition_failed'],
    ...onlyHere,
  },
  expectation_missing: { stream: { expected: expected(undefined) }, http: [403, 'expectation_missing'], ...onlyHere },
  expectation_ambiguous: {
    stream: { expected: expected('ambiguous') },
    http: [403, 'expectation_ambiguous'],
    ...onlyHere,
  },
  seal_malformed: 'seals',
  seal_algorithm_refused: 'seals',
  seal_signature_wrong: 'seals',
  seal_of_other_stream: 'seals',
  signer_unavailable: 'seals',
  reading_past_retention: 'seals',
  not_decidable: 'decide',
  replica_stale: { arrange: (gate) => gate.lease.end(), http: [503, 'replica_stale'], ...silent },
  overrun: {
    sink: (real, gate) => ({
      async write(write) {
        const written = await real.write(write);
        gate().lease.end();
        return written;
      },
    }),
    http: [503, 'overrun'],
    ...silent,
  },
  sink_unavailable: {
    sink: () => ({
      async write() {
        throw new Error('no disk');
      },
    }),
    http: [503, 'sink_unavailable'],
    ...silent,
  },
  gate_overloaded: {
    queueReadingsMax: 0,
    http: [503, 'gate_overloaded'],
    ...silent,
  },
  gate_stopping: {
    arrange: (gate) => gate.recording.stop(),
    http: [503, 'gate_stopping'],
    ...silent,
  },
  reading_malformed: { body: '{"t":', http: [400, 'reading_malformed'], ...kept(payload) },
  reading_too_large: { body: `{"t":"${'x'.repeat(70_000)}"}`, http: [413, 'reading_too_large'], ...kept(quota) },
  media_type_unsupported: {
    type: 'text/plain',
    http: [415, 'media_type_unsupported'],
    mqtt5: `puback ${payload}`,
    mqtt4: undefined,
  },
  reserved_member_misused: { body: '{"_x":1}', http: [422, 'reserved_member_misused'], ...kept(payload) },
  reading_id_reused: {
    before: '{"_id":"a","t":1}',
    body: '{"_id":"a","t":2}',
    http: [422, 'reading_id_reused'],
    ...kept(own),
  },
  condition_not_met: { stream: { when: 'reading.t > 5' }, http: [422, 'condition_not_met'], ...kept(own) },
  condition_failed: { stream: { when: 'reading.u > 5' }, http: [503, 'condition_failed'], ...silent },
  schema_not_met: { stream: { schema: { required: ['u'] } }, http: [422, 'schema_not_met'], ...kept(payload) },
  number_inexact: {
    stream: { when: 'reading.t > 5.0' },
    body: '{"t":8944110068256270054}',
    http: [422, 'number_inexact'],
    ...kept(payload),
  },
};

async function opened(row: Row, context: TestContext): Promise<OpenFront> {
  const telemetry: StreamConfig = { kinds: ['device'], expect: { status: 'active' }, ...row.stream };
  let gate: OpenFront | undefined;
  gate = await OpenFront.open(context, {
    streams: { telemetry, free: { kinds: ['device'], expect: {} } },
    ...(row.queueReadingsMax !== undefined && { limits: { queueReadingsMax: row.queueReadingsMax } }),
    ...(row.sink && { sink: (real) => sinkWith(real, row.sink?.(real, () => gate as OpenFront) ?? {}) }),
  });
  await row.arrange?.(gate, context);
  return gate;
}

async function arranged(row: Row, gate: OpenFront, subject: string): Promise<Leaf> {
  if (row.sink) gate.grant();
  if (row.isStranger) return gate.certificates.leaf({ subject });
  const leaf = await gate.device(subject, row.delta);
  if (row.before !== undefined) assert.equal((await gate.post(gate.agent(leaf), row.before)).status, 202);
  if (row.standing) gate.change({ subject, certificates: [{ ...leaf, standing: row.standing }] });
  return leaf;
}

const bodyOf = ({ body = '{"_id":"a","t":1}' }: Row) => body;

async function overHttp(row: Row, { gate, leaf }: { gate: OpenFront; leaf: Leaf }): Promise<Row['http']> {
  const options = { stream: row.to ?? 'telemetry', headers: { 'content-type': row.type ?? 'application/json' } };
  const agent = gate.agent(leaf);
  const { status, body } = await gate.post(agent, bodyOf(row), options);
  agent.destroy();
  return [status, body.reason as ReasonCode];
}

/** A close without a word comes later: that there will be none is known when the refusal was noted and all that was said is there. */
async function overMqtt(
  row: Row,
  version: 4 | 5,
  { gate, leaf }: { gate: OpenFront; leaf: Leaf },
  noted: () => boolean,
): Promise<Heard> {
  const client = await MqttClient.open({ port: gate.mqttPort, ca: gate.certificates.rootPem }, leaf, version);
  client.connect();
  const codeOf = (packet: Packet) => Number(Reflect.get(packet, version === 5 ? 'reasonCode' : 'returnCode') ?? 0);
  const isTold = row.mqtt5.startsWith('connack');
  const first = (): Packet | undefined => client.heard[0];
  await until(() => first() !== undefined || (noted() && !isTold) || client.closed, 'CONNECT is answered, or refused');
  const welcome = first();
  if (welcome === undefined) return 'silence';
  if (codeOf(welcome) !== 0) return `connack ${codeOf(welcome)}`;
  const properties = row.type === undefined ? {} : { properties: { contentType: row.type } };
  client.publish(`streams/${row.to ?? 'telemetry'}`, bodyOf(row), properties);
  await until(() => client.heard.length > 1 || noted() || client.closed, 'it is judged');
  const isKept = row.mqtt5.startsWith('puback');
  if (isKept) await until(() => client.heard.length > 1 || client.closed, 'it is acknowledged');
  const answer = client.heard[1];
  return answer === undefined ? 'silence' : `${answer.cmd as 'puback'} ${version === 4 ? 0 : codeOf(answer)}`;
}

for (const [reason, row] of Object.entries(rows) as [ReasonCode, Row | Elsewhere][]) {
  if (typeof row === 'string') continue;
  test(`P4: ${reason} is the same reason over HTTP, MQTT 5 and MQTT 3.1.1, each told as its way tells it`, async (context) => {
    const gate = await opened(row, context);
    for (const way of ['http', 'mqtt5', 'mqtt4'] as const) {
      if (row[way] === undefined) continue;
      const leaf = await arranged(row, gate, `truck-${way}`);
      const count = () => gate.verdicts.refusals.get(reason) ?? 0;
      const before = count();
      const noted = () => count() > before;
      const made = { gate, leaf };
      const heard: Row['http'] | Heard =
        way === 'http' ? await overHttp(row, made) : await overMqtt(row, way === 'mqtt5' ? 5 : 4, made, noted);
      assert.deepEqual(heard, row[way], way);
      assert.ok(noted(), `${way} notes ${reason}; noted is [${[...gate.verdicts.refusals.keys()]}]`);
    }
  });
}
