/** Each reason: what leads to it, and what each way in tells of it. */
import type { TestContext } from 'node:test';
import type { ReasonCode } from '@portcullis/contract';
import type { StreamConfig } from '../../../src/gate/policy/policy.ts';
import type { Sink } from '../../../src/storage/sink.ts';
import type { Delta } from '../../fed-replica.ts';
import type { OpenFront } from '../../open-front.ts';

/** What is heard over MQTT; `silence`: nothing is, and nothing is acknowledged. */
export type Heard = 'silence' | `connack ${number}` | `puback ${number}`;

/** What is not said of the last three is what HTTP tells, by their own codes; `apart`: it can not come about there. */
export interface Row {
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
  /** Of a seal that a gateway brought; `carrier`: the gateway is told so, and of the seal nothing is said. */
  sealed?: ReasonCode | `carrier ${number} ${ReasonCode}` | 'apart';
  /** To a sensor with a key credential. */
  coap?: `${number} ${ReasonCode}` | 'a stranger' | 'apart';
  /** To a proxy that asks; `204`: it is the reading that is refused, and nobody has seen that yet. */
  decide?: `403 ${ReasonCode}` | '204';
}

const status = (value: string | boolean | number) => ({ attributes: { status: { value } } });
const expected = (of: 'ambiguous' | undefined) => ({ attributes: [], of: () => of });
const [notAuthorized, topic, quota, payload, own] = [0x87, 0x90, 0x97, 0x99, 0x83];
/** The gate's own trouble, and what can be taken back, is told to nobody who would stay away for it. */
const silent = { mqtt5: 'silence', mqtt4: 'silence' } as const;
const onlyHere = { mqtt5: `puback ${notAuthorized}`, mqtt4: 'puback 0' } as const;
const kept = (code: number) => ({ mqtt5: `puback ${code}`, mqtt4: 'puback 0' }) as const;

export type Elsewhere = 'handshake' | 'told' | 'seals' | 'decide' | 'sensors';
type Rows = { [Reason in ReasonCode]: Row | Elsewhere };

export const rows: Rows = {
  not_admitted: 'told',
  handshake_refused: 'handshake',
  certificate_missing: 'handshake',
  certificate_unknown: {
    isStranger: true,
    http: [403, 'certificate_unknown'],
    mqtt5: `connack ${notAuthorized}`,
    mqtt4: 'connack 5',
    coap: 'apart',
  },
  certificate_not_yet_valid: {
    arrange: (gate, context) => context.mock.method(gate.ground, 'validityTime', () => 0),
    http: [403, 'certificate_not_yet_valid'],
    ...silent,
    sealed: 'carrier 403 certificate_not_yet_valid',
    coap: 'apart',
    decide: '403 handshake_refused',
  },
  certificate_expired: {
    arrange: (gate, context) => context.mock.method(gate.ground, 'validityTime', () => Date.parse('2999-01-01')),
    http: [403, 'certificate_expired'],
    ...silent,
    sealed: 'carrier 403 certificate_expired',
    coap: 'apart',
    decide: '403 handshake_refused',
  },
  certificate_suspended: {
    standing: 'suspended',
    http: [403, 'not_admitted'],
    ...silent,
    coap: 'a stranger',
    decide: '403 certificate_suspended',
  },
  certificate_revoked: {
    standing: 'revoked',
    http: [403, 'not_admitted'],
    mqtt5: `connack ${notAuthorized}`,
    mqtt4: 'connack 5',
    coap: 'a stranger',
    decide: '403 certificate_revoked',
  },
  certificate_superseded: {
    standing: 'superseded',
    http: [403, 'certificate_superseded'],
    mqtt5: `connack ${notAuthorized}`,
    mqtt4: 'connack 5',
    coap: 'a stranger',
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
  replica_stale: {
    arrange: (gate) => gate.lease.end(),
    http: [503, 'replica_stale'],
    ...silent,
    sealed: 'carrier 503 replica_stale',
    decide: '403 replica_stale',
  },
  clock_was_ahead: {
    arrange: (gate, context) => {
      context.mock.method(gate.ground, 'validityTime', () => Date.parse('2999-01-01'));
      context.mock.method(gate.ground, 'presentTime', () => Date.now());
    },
    http: [503, 'clock_was_ahead'],
    ...silent,
    sealed: 'carrier 503 clock_was_ahead',
    decide: '403 clock_was_ahead',
  },
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
    decide: '204',
  },
  sink_unavailable: {
    sink: () => ({
      async write() {
        throw new Error('no disk');
      },
    }),
    http: [503, 'sink_unavailable'],
    ...silent,
    decide: '204',
  },
  gate_overloaded: {
    queueReadingsMax: 0,
    http: [503, 'gate_overloaded'],
    ...silent,
    decide: '204',
  },
  gate_stopping: {
    arrange: (gate) => gate.recording.stop(),
    http: [503, 'gate_stopping'],
    ...silent,
    decide: '204',
  },
  reading_malformed: { body: '{"t":', http: [400, 'reading_malformed'], ...kept(payload), decide: '204' },
  reading_too_large: {
    body: `{"t":"${'x'.repeat(70_000)}"}`,
    http: [413, 'reading_too_large'],
    ...kept(quota),
    coap: 'apart',
    decide: '204',
  },
  media_type_unsupported: {
    type: 'text/plain',
    http: [415, 'media_type_unsupported'],
    mqtt5: `puback ${payload}`,
    mqtt4: undefined,
    sealed: 'apart',
    decide: '204',
  },
  reserved_member_misused: {
    body: '{"_x":1}',
    http: [422, 'reserved_member_misused'],
    ...kept(payload),
    decide: '204',
  },
  reading_id_reused: {
    before: '{"_id":"a","t":1}',
    body: '{"_id":"a","t":2}',
    http: [422, 'reading_id_reused'],
    ...kept(own),
    decide: '204',
  },
  condition_not_met: {
    stream: { when: 'reading.t > 5' },
    http: [422, 'condition_not_met'],
    ...kept(own),
    decide: '403 not_decidable',
  },
  condition_failed: {
    stream: { when: 'reading.u > 5' },
    http: [503, 'condition_failed'],
    ...silent,
    decide: '403 not_decidable',
  },
  schema_not_met: {
    stream: { schema: { required: ['u'] } },
    http: [422, 'schema_not_met'],
    ...kept(payload),
    decide: '403 not_decidable',
  },
  number_inexact: {
    stream: { when: 'reading.t > 5.0' },
    body: '{"t":8944110068256270054}',
    http: [422, 'number_inexact'],
    ...kept(payload),
    decide: '403 not_decidable',
  },
};
