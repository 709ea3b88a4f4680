import { createHmac, timingSafeEqual } from 'node:crypto';
import type { SignalHeaders } from './delivery.ts';

/** Standard Webhooks, "Verifying webhook authenticity": how far the time of sending may be off. */
export const webhookSkewSecondsMax = 300;

/** Of a message that is signed: what is checked before its body is read. */
export interface WebhookHeaders {
  id: string;
  timestamp: string;
  signatures: Buffer[];
}

/** Standard Webhooks, "Signature scheme": 24 to 64 bytes, base64 behind `whsec_`. */
export function readWebhookKey(text: string): Buffer | undefined {
  const [, digits = ''] = /^whsec_([A-Za-z0-9+/]+={0,2})$/.exec(text) ?? [];
  const key = Buffer.from(digits, 'base64');
  return key.toString('base64') === digits && key.length >= 24 && key.length <= 64 ? key : undefined;
}

/** What is missing or out of time, in words; `nowSeconds` since 1970. */
export function readWebhookHeaders(headers: SignalHeaders, nowSeconds: number): WebhookHeaders | { refused: string } {
  const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map((name) => headers[`webhook-${name}`]);
  if (typeof id !== 'string' || typeof timestamp !== 'string' || typeof signature !== 'string')
    return { refused: 'the headers webhook-id, webhook-timestamp and webhook-signature must each be there once' };
  if (!/^[\x21-\x7e]{1,256}$/.test(id)) return { refused: 'webhook-id must be 1 to 256 printable characters' };
  if (!/^\d{1,12}$/.test(timestamp)) return { refused: 'webhook-timestamp must be whole seconds since 1970' };
  const offSeconds = Math.trunc(nowSeconds) - Number(timestamp);
  if (Math.abs(offSeconds) > webhookSkewSecondsMax) {
    const way = offSeconds > 0 ? 'old' : 'ahead';
    return { refused: `webhook-timestamp is ${Math.abs(offSeconds)} s ${way}; ${webhookSkewSecondsMax} s are allowed` };
  }
  return { id, timestamp, signatures: signaturesIn(signature) };
}

const signatureBytes = 32;
/** So many keys may sign at once where one takes the place of another. */
const signaturesMax = 16;

function signaturesIn(header: string): Buffer[] {
  const ours = header.split(' ').filter((one) => one.startsWith('v1,'));
  const bytes = ours.slice(0, signaturesMax).map((one) => Buffer.from(one.slice('v1,'.length), 'base64'));
  return bytes.filter(({ length }) => length === signatureBytes);
}

/** Whether one of the keys signed these very bytes. Each is compared with each, in a time that tells nothing. */
export function isSigned(message: WebhookHeaders, raw: Buffer, keys: readonly Buffer[]): boolean {
  const { id, timestamp, signatures } = message;
  let signed = false;
  for (const key of keys) {
    const right = createHmac('sha256', key).update(`${id}.${timestamp}.`).update(raw).digest();
    for (const one of signatures) if (timingSafeEqual(one, right)) signed = true;
  }
  return signed;
}
