import { z } from 'zod';

/**
 * Why a gate refused. The class says what a device does with the reading:
 * `certificate` and `gate`: keep it and retry; `reading`: it will never pass, move it to `refused.ndjson`.
 * `told`: what the device itself is told (a revoked or suspended one learns nothing more than `not_admitted`).
 */
export interface Reason {
  class: 'certificate' | 'gate' | 'reading';
  status: 400 | 403 | 404 | 413 | 415 | 422 | 503;
  told: 'itself' | 'not_admitted';
  title: string;
}

const certificate = { class: 'certificate', status: 403, told: 'itself' } as const;
const withheld = { class: 'certificate', status: 403, told: 'not_admitted' } as const;
const gate = { class: 'gate', status: 503, told: 'itself' } as const;
const reading = (status: 400 | 413 | 415 | 422) => ({ class: 'reading', status, told: 'itself' }) as const;

export const reasons = {
  not_admitted: { ...certificate, title: 'this certificate is not admitted; ask the operator of the fleet' },
  handshake_refused: {
    ...certificate,
    title: 'TLS refused the handshake: no certificate, a foreign chain, expired or not yet valid; the error says which',
  },
  certificate_missing: { ...certificate, title: 'the connection carries no client certificate' },
  certificate_unknown: { ...certificate, title: 'no row of this fleet has the fingerprint of this certificate' },
  certificate_not_yet_valid: { ...certificate, title: 'the certificate is not valid yet' },
  certificate_expired: { ...certificate, title: 'the certificate has expired' },
  certificate_suspended: { ...withheld, title: 'the certificate is suspended' },
  certificate_revoked: { ...withheld, title: 'the certificate is revoked' },
  certificate_superseded: { ...certificate, title: 'a newer certificate of this subject is in use' },
  kind_not_admitted: { ...certificate, title: 'the stream does not admit this kind of subject' },
  stream_unknown: { ...certificate, status: 404, title: 'the gate has no stream of this name' },
  attribute_missing: { ...certificate, title: 'an attribute that the stream expects is not set' },
  attribute_type_mismatch: { ...certificate, title: 'an attribute has another type than the stream expects' },
  attribute_not_expected: { ...certificate, title: 'an attribute has another value than the stream expects' },
  subject_condition_not_met: { ...certificate, title: "the stream's condition on the subject is not met" },
  subject_condition_failed: { ...certificate, title: "the stream's condition on the subject could not be evaluated" },
  expectation_missing: { ...certificate, title: 'the subject has no line in the file of expected values' },
  expectation_ambiguous: { ...certificate, title: 'the subject has more than one line in the file of expected values' },
  // Of a seal, not of the reading in it: that stays with its device, which seals it anew.
  seal_malformed: {
    ...certificate,
    title: 'the seal is not one as RFC 7515 or RFC 9052 has it, or its header lacks something',
  },
  seal_algorithm_refused: {
    ...certificate,
    title: "the seal's algorithm is none that is taken, or not that of its signer's key",
  },
  seal_signature_wrong: { ...certificate, title: 'the seal is not signed by the key of the certificate that it names' },
  seal_of_other_stream: { ...certificate, title: 'the seal is for another stream than the one that it was brought to' },
  signer_unavailable: { ...gate, title: 'the gate can not get the certificate of the signer at the moment' },
  reading_past_retention: {
    ...gate,
    title: 'the sealed reading is older than what the gate keeps, so that it can not tell whether it had it',
  },
  not_decidable: {
    ...certificate,
    title: "the stream's policy looks at the reading, which a proxy that asks does not show",
  },
  replica_stale: { ...gate, title: 'the gate holds no lease and decides nothing' },
  clock_was_ahead: {
    ...gate,
    title:
      'by a time that the authority said before, and that is ahead of all clocks now, the certificate has expired: a clock was wrong, and the gate can not tell which',
  },
  overrun: { ...gate, title: 'the lease ended while the reading was being stored' },
  sink_unavailable: { ...gate, title: 'the gate cannot store readings at the moment' },
  gate_overloaded: { ...gate, title: 'the gate has as many readings waiting as it may hold' },
  gate_stopping: { ...gate, title: 'the gate is stopping' },
  reading_malformed: {
    ...reading(400),
    title: 'the body is not a JSON object, names a member twice, or holds half a character; or a line of it does',
  },
  reading_too_large: { ...reading(413), title: 'the body, a line of it, or the number of its lines is over the limit' },
  media_type_unsupported: {
    ...reading(415),
    title: 'the body must be application/json or application/x-ndjson, not compressed',
  },
  reserved_member_misused: { ...reading(422), title: 'a member that begins with "_" is unknown or has a wrong value' },
  reading_id_reused: { ...reading(422), title: 'this id was used for a reading with other data' },
  condition_not_met: { ...reading(422), title: "the stream's condition on the reading is not met" },
  condition_failed: {
    ...gate,
    title: "the stream's condition could not be evaluated for the reading, which the gate's policy has to answer for",
  },
  schema_not_met: { ...reading(422), title: "the reading does not match the stream's JSON Schema" },
  number_inexact: {
    ...reading(422),
    title: "the stream's condition or schema looks at a number that a double can not hold; send it as a string",
  },
} as const satisfies Record<string, Reason>;

export type ReasonCode = keyof typeof reasons;
export const ReasonCode = z.enum(Object.keys(reasons) as [ReasonCode, ...ReasonCode[]]);
export type ReasonClass = Reason['class'];
