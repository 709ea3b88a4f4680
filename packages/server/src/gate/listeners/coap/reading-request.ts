import type { Problem, Reason } from '@portcullis/contract';
import type { Message, OpenedRequest } from '../../../oscore/oscore.ts';
import { mapPayload } from '../../../payloads/payloads.ts';
import type { Refused } from '../../admission/admit.ts';
import { parseReadings, type Readings } from '../readings.ts';
import { Submission, type SubmissionParts } from '../submission.ts';
import { toldOf } from '../told.ts';
import { codeOf, codes } from './codes.ts';
import { retryAfterSeconds } from './endpoint.ts';
import type { KeyContext } from './key-context.ts';
import { maxAge } from './options.ts';
import { targetOf } from './target.ts';

const empty = Buffer.alloc(0);
const only = (code: number): Message => ({ code, options: [], payload: empty });

/** A request that came out of its protection: from there to its answer, which is called for once. */
export function judgeRequest(
  parts: SubmissionParts,
  context: KeyContext,
  { inner, piv }: OpenedRequest,
  answer: (inner: Message) => void,
): void {
  const target = targetOf(inner);
  if ('refused' in target) return answer(only(target.refused));
  const { connection } = context;
  const told = (refused: Refused) => answer(refusalOf(toldOf(refused, connection, parts.ground.replica)));
  const submission = new Submission(parts, { bearer: connection }, target.stream, (result) =>
    'refused' in result ? told(result.refused) : answer(only(codes.changed)),
  );
  const refuse = (refused: Refused) => {
    submission.noteRefused(refused);
    told(refused);
  };
  const refused = submission.judge();
  if (refused) return refuse(refused);
  const readings = readingsIn(inner.payload, target.contentFormat, parts.now(), idsOf(context, piv));
  if ('reason' in readings) return refuse(readings);
  submission.submit(readings, inner.payload.length);
}

function readingsIn(
  payload: Buffer,
  format: number | undefined,
  now: number,
  makeId: () => string,
): Readings | Refused {
  const mapped = mapPayload(payload, format, now);
  if (!('refused' in mapped)) return parseReadings(mapped.body, mapped.type, makeId);
  const reason = mapped.refused === 'unknown_format' ? 'media_type_unsupported' : 'reading_malformed';
  return { reason, detail: mapped.detail };
}

/** What the sensor gives no id gets one of the message that brought it: it is the same for as long as that message is. */
function idsOf({ idContextName }: KeyContext, piv: Buffer): () => string {
  let made = 0;
  return () => `o-${idContextName}-${piv.toString('hex')}${made++ === 0 ? '' : `-${made}`}`;
}

/** The reason's code, as a diagnostic payload (RFC 7252 §5.5.2): each byte of an answer costs the sensor. */
function refusalOf({ reason, status }: Problem): Message {
  const code = codeOf({ status: status as Reason['status'] });
  const options = code === codes.serviceUnavailable ? [maxAge(retryAfterSeconds)] : [];
  return { code, options, payload: Buffer.from(reason) };
}
