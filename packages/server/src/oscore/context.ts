import assert from 'node:assert/strict';
import { createSecretKey, hkdfSync, type KeyObject } from 'node:crypto';
import { byteString, integer, nothing, textString } from './cbor-items.ts';

const keyBytes = 16;
export const nonceBytes = 13;
/** RFC 8613 §3.3: the length of the nonce less six. */
export const idBytesMax = nonceBytes - 6;
/** AES-CCM-16-64-128 among the algorithms of COSE (RFC 9053 §4.2). */
export const algorithm = 10;

/** One end of a security context (RFC 8613 §3.1). The owner of the buffers is whoever holds it, until `wipe`. */
export interface SecurityContext {
  readonly senderId: Buffer;
  readonly recipientId: Buffer;
  readonly senderKey: Buffer;
  readonly recipientKey: Buffer;
  readonly commonIv: Buffer;
  readonly idContext: Buffer | undefined;
  /** Both keys as OpenSSL has them, which is most of what a message costs; empty: they were wiped. */
  readonly held: { sender?: KeyObject; recipient?: KeyObject };
}

export interface MasterParts {
  masterSecret: Buffer;
  salt?: Buffer;
  senderId: Buffer;
  recipientId: Buffer;
  idContext?: Buffer | undefined;
}

export interface ContextParts {
  senderKey: Buffer;
  recipientKey: Buffer;
  commonIv: Buffer;
  senderId: Buffer;
  recipientId: Buffer;
  idContext?: Buffer | undefined;
}

/** RFC 8613 §3.2.1. */
export function deriveContext({ masterSecret, salt, senderId, recipientId, idContext }: MasterParts): SecurityContext {
  const derived = (id: Buffer, type: 'Key' | 'IV', length: number) => {
    const info = Buffer.concat([
      Buffer.from([0x85]),
      byteString(id),
      idContext === undefined ? nothing : byteString(idContext),
      integer(algorithm),
      textString(type),
      integer(length),
    ]);
    return Buffer.from(hkdfSync('sha256', masterSecret, salt ?? Buffer.alloc(0), info, length));
  };
  return contextFrom({
    senderKey: derived(senderId, 'Key', keyBytes),
    recipientKey: derived(recipientId, 'Key', keyBytes),
    commonIv: derived(Buffer.alloc(0), 'IV', nonceBytes),
    senderId,
    recipientId,
    idContext,
  });
}

export function contextFrom({ idContext, ...parts }: ContextParts): SecurityContext {
  assert.ok(parts.senderKey.length === keyBytes && parts.recipientKey.length === keyBytes, 'keys of 16 bytes');
  assert.equal(parts.commonIv.length, nonceBytes);
  assert.ok(parts.senderId.length <= idBytesMax && parts.recipientId.length <= idBytesMax, 'ids of at most 7 bytes');
  // The nonces of both ends would be the same (RFC 8613 §3.3).
  assert.ok(!parts.senderId.equals(parts.recipientId), 'the ids of the ends differ');
  const held = { sender: createSecretKey(parts.senderKey), recipient: createSecretKey(parts.recipientKey) };
  return { ...parts, idContext, held };
}

/** Nothing is opened or protected with it any more, and its keys leave the memory: those of OpenSSL when they are collected. */
export function wipe({ senderKey, recipientKey, commonIv, held }: SecurityContext): void {
  for (const secret of [senderKey, recipientKey, commonIv]) secret.fill(0);
  delete held.sender;
  delete held.recipient;
}

/** RFC 8613 §5.2. */
export function nonceOf({ commonIv }: SecurityContext, id: Buffer, partialIv: Buffer): Buffer {
  const nonce = Buffer.from(commonIv);
  nonce[0] = (nonce[0] as number) ^ id.length;
  exclusiveOr(nonce, 1 + idBytesMax - id.length, id);
  exclusiveOr(nonce, nonceBytes - partialIv.length, partialIv);
  return nonce;
}

function exclusiveOr(target: Buffer, at: number, bytes: Buffer): void {
  for (let index = 0; index < bytes.length; index++) {
    target[at + index] = (target[at + index] as number) ^ (bytes[index] as number);
  }
}
