import assert from 'node:assert/strict';
import { createCipheriv, createDecipheriv } from 'node:crypto';
import { algorithm, nonceOf, type SecurityContext } from './context.ts';
import { type CoapOption, type Message, optionNumbers, parseRest, writeRest } from './message.ts';
import { numberMax, numberOf, type Protection, partialIvOf, protectionOf, writeProtection } from './protection.ts';
import { malformed, type OscoreRefused } from './refused.ts';
import type { ReplayWindow } from './replay-window.ts';

const cipher = 'aes-128-ccm';
const tagBytes = 8;
/** RFC 8613 §4.2: what the message is can be seen inside alone. */
const outerCodes = { request: 0x02, answer: 0x44 } as const;
/** Class U (RFC 8613 §4.1): what a proxy on the way has to read. All others are encrypted. */
const outside: ReadonlySet<number> = new Set([
  optionNumbers.uriHost,
  optionNumbers.uriPort,
  optionNumbers.hopLimit,
  optionNumbers.proxyUri,
  optionNumbers.proxyScheme,
]);

export interface OpenedRequest {
  /** The message that was protected: its own code, and its encrypted options alone. */
  inner: Message;
  /** To be said to `protectAnswer`. */
  piv: Buffer;
  number: number;
}

export interface ProtectedRequest {
  outer: Message;
  /** To be said to `openAnswer`. */
  piv: Buffer;
}

/** `number` was never used with this context, nor ever will be again: else the key is worth nothing (RFC 8613 §7.2.1). */
export function protectRequest(
  context: SecurityContext,
  number: number,
  message: Message,
  kidContext?: Buffer,
): ProtectedRequest {
  const piv = newPartialIv(number);
  const nonce = nonceOf(context, context.senderId, piv);
  const payload = encrypted(context, nonce, aadOf(context.senderId, piv), message);
  const option = {
    number: optionNumbers.oscore,
    value: writeProtection({ partialIv: piv, kidContext, kid: context.senderId }),
  };
  const options = [...message.options.filter(({ number: one }) => outside.has(one)), option];
  return { outer: { code: outerCodes.request, options, payload }, piv };
}

/** The window learns a number from a message that is authentic, and from no other (RFC 8613 §7.4). */
export function openRequest(
  context: SecurityContext,
  outer: Message,
  window?: ReplayWindow,
): OpenedRequest | OscoreRefused {
  const protection = protectionOf(outer.options);
  if (protection === undefined) return { refused: 'no_protection', detail: 'the message has no OSCORE option' };
  if ('refused' in protection) return protection;
  const { kid, partialIv: piv } = protection;
  if (kid === undefined || piv === undefined) return malformed('a request without kid or Partial IV');
  if (!kid.equals(context.recipientId)) return notAuthentic;
  const number = numberOf(piv);
  if (window && !window.isNew(number)) return { refused: 'replayed', detail: `the number ${number} was used` };
  const nonce = nonceOf(context, kid, piv);
  const inner = decrypted(context, nonce, aadOf(kid, piv), outer.payload);
  if ('refused' in inner) return inner;
  window?.mark(number);
  return { inner, piv, number };
}

/**
 * Without `own` the answer goes under the nonce of its request: one answer for a request, and none when the request may be
 * a repeat (RFC 8613 §5.2, §7.4). `own.number` is as new as that of a request.
 */
export function protectAnswer(
  context: SecurityContext,
  requestPiv: Buffer,
  inner: Message,
  own?: { number: number; kidContext?: Buffer },
): Message {
  const partialIv = own && newPartialIv(own.number);
  const nonce = partialIv
    ? nonceOf(context, context.senderId, partialIv)
    : nonceOf(context, context.recipientId, requestPiv);
  const payload = encrypted(context, nonce, aadOf(context.recipientId, requestPiv), inner);
  const value = writeProtection({ partialIv, kidContext: own?.kidContext });
  return { code: outerCodes.answer, options: [{ number: optionNumbers.oscore, value }], payload };
}

export function openAnswer(context: SecurityContext, requestPiv: Buffer, outer: Message): Message | OscoreRefused {
  const protection = protectionOf(outer.options);
  if (protection === undefined) return { refused: 'no_protection', detail: 'the message has no OSCORE option' };
  if ('refused' in protection) return protection;
  const nonce = answerNonce(context, requestPiv, protection);
  return decrypted(context, nonce, aadOf(context.senderId, requestPiv), outer.payload);
}

function answerNonce(context: SecurityContext, requestPiv: Buffer, { partialIv }: Protection): Buffer {
  return partialIv ? nonceOf(context, context.recipientId, partialIv) : nonceOf(context, context.senderId, requestPiv);
}

function newPartialIv(number: number): Buffer {
  assert.ok(Number.isSafeInteger(number) && number >= 0 && number <= numberMax, 'a number below 2^40');
  return partialIvOf(number);
}

const notAuthentic: OscoreRefused = { refused: 'not_authentic', detail: 'decryption failed' };
/** The Enc_structure of RFC 9052 §5.3 up to the external AAD, and of that version and algorithms (RFC 8613 §5.4). */
const structureHead = Buffer.concat([Buffer.from([0x83, 0x68]), Buffer.from('Encrypt0'), Buffer.from([0x40])]);
const externalHead = Buffer.from([0x85, 0x01, 0x81, algorithm]);
const byteStringHead = 0x40;

/** Every part is short enough for a head of one byte (RFC 8949 §3). */
export function aadOf(requestKid: Buffer, requestPiv: Buffer): Buffer {
  const externalBytes = externalHead.length + 3 + requestKid.length + requestPiv.length;
  const aad = Buffer.allocUnsafe(structureHead.length + 1 + externalBytes);
  let at = structureHead.copy(aad);
  aad[at++] = byteStringHead | externalBytes;
  at += externalHead.copy(aad, at);
  for (const part of [requestKid, requestPiv]) {
    aad[at++] = byteStringHead | part.length;
    at += part.copy(aad, at);
  }
  aad[at] = byteStringHead;
  return aad;
}

function encrypted({ held }: SecurityContext, nonce: Buffer, aad: Buffer, message: Message): Buffer {
  assert.ok(held.sender, 'nothing is protected under keys that were wiped');
  const { code, options, payload } = message;
  const inside = (option: CoapOption) => !outside.has(option.number) && option.number !== optionNumbers.oscore;
  const rest = writeRest({ options: options.filter(inside), payload });
  const plaintext = Buffer.concat([Buffer.from([code]), rest]);
  const sealing = createCipheriv(cipher, held.sender, nonce, { authTagLength: tagBytes });
  sealing.setAAD(aad, { plaintextLength: plaintext.length });
  const ciphertext = sealing.update(plaintext);
  sealing.final();
  return Buffer.concat([ciphertext, sealing.getAuthTag()]);
}

function decrypted({ held }: SecurityContext, nonce: Buffer, aad: Buffer, payload: Buffer): Message | OscoreRefused {
  if (!held.recipient) return notAuthentic;
  const length = payload.length - tagBytes;
  if (length < 1) return malformed('the payload is shorter than a code and a tag');
  const opening = createDecipheriv(cipher, held.recipient, nonce, { authTagLength: tagBytes });
  opening.setAuthTag(payload.subarray(length));
  opening.setAAD(aad, { plaintextLength: length });
  let plaintext: Buffer;
  try {
    plaintext = opening.update(payload.subarray(0, length));
    opening.final();
  } catch {
    return notAuthentic;
  }
  const rest = parseRest(plaintext, 1);
  return 'refused' in rest ? rest : { code: plaintext[0] as number, ...rest };
}
