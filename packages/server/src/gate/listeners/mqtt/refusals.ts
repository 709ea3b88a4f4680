/**
 * How a refusal is told over MQTT: a table, by what real clients do with each answer. A reason at CONNECT makes some of them stay away for
 * ever, and a DISCONNECT too; a close without a word brings all of them back. So only what is final is told; what passes, or can be taken back,
 * closes in silence, later each time; and a reading that will never pass is kept here as refused and then acknowledged with its reason, since
 * whoever gets no acknowledgement sends it again for ever.
 */
import { type ReasonCode, reasons } from '@portcullis/contract';
import { codes } from './fault.ts';
import type { Version } from './wire-check.ts';

/** While its CONNECT waits for an answer; while it is open; in answer to one PUBLISH. */
export type Moment = 'connect' | 'open' | 'publish';

export type Reply =
  /** The connection closes without a word: nothing is acknowledged. `later`: after a while that grows with each time. */
  | { by: 'silence'; later: boolean }
  | { by: 'connack' | 'disconnect'; code: number }
  /** The reading is kept as refused, and then acknowledged. */
  | { by: 'puback'; code: number };

const final: ReadonlySet<ReasonCode> = new Set([
  'not_admitted',
  'certificate_unknown',
  'certificate_revoked',
  'certificate_superseded',
]);

/** Of those that MQTT 5 §3.4.2.1 knows. */
const pubackCodes: Partial<Record<ReasonCode, number>> = {
  stream_unknown: codes.topicInvalid,
  reading_malformed: codes.payloadInvalid,
  reading_too_large: codes.quotaExceeded,
  media_type_unsupported: codes.payloadInvalid,
  reserved_member_misused: codes.payloadInvalid,
  schema_not_met: codes.payloadInvalid,
  number_inexact: codes.payloadInvalid,
  condition_not_met: codes.implementationSpecific,
  reading_id_reused: codes.implementationSpecific,
};

/** 3.1.1 §3.2.2.3: not authorized. */
const notAuthorizedIn4 = 5;

/** `admissible`: some stream admits the bearer. */
export function replyTo(reason: ReasonCode, moment: Moment, version: Version, admissible: boolean): Reply {
  const passing = reasons[reason].class === 'gate';
  if (moment === 'publish' && !passing && (admissible || reasons[reason].class === 'reading')) {
    return { by: 'puback', code: version === 5 ? (pubackCodes[reason] ?? codes.notAuthorized) : codes.success };
  }
  if (!final.has(reason)) return { by: 'silence', later: moment === 'connect' || passing };
  if (moment === 'connect') return { by: 'connack', code: version === 5 ? codes.notAuthorized : notAuthorizedIn4 };
  return version === 5 ? { by: 'disconnect', code: codes.administrative } : { by: 'silence', later: false };
}
