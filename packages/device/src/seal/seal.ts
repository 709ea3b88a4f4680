import { hash, type KeyObject } from 'node:crypto';
import { type SealForm, SealMembers, type SealName, sealBounds, sealMediaTypes, sealTypes } from '@portcullis/contract';
import { algorithmOf, type SealAlgorithm } from './algorithms.ts';
import { cosesIn } from './cose.ts';
import { readMessage, writeMessage } from './message.ts';
import { type Message, type MessageRefused, malformed } from './signed-message.ts';

/** Whose a seal is: a private key, and the certificate that speaks for it. */
export interface SealSigner {
  key: KeyObject;
  /** In DER. */
  certificate: Buffer;
  /** Whether the certificate travels in the seal: a gate that has not seen it need not ask for it. */
  brings?: boolean;
}

export interface Sealed extends SealMembers {
  /** One reading as JSON, or several as NDJSON; reserved members as in a request. */
  payload: Buffer;
}

/** What a gate reads of a seal before it knows whether the signer signed it. */
export interface ReadSeal {
  message: Message;
  members: SealMembers;
  /** SHA-256 of the leaf of whoever signed, as is claimed. */
  thumbprint: Buffer;
  algorithm: SealAlgorithm;
}

/** RFC 6234: by this a seal is named in its acknowledgement. */
export const sealNameOf = (seal: Uint8Array): SealName => hash('sha256', seal, 'hex');

/** @throws {TypeError} when the key is of a type that nobody seals with */
export function makeSeal(form: SealForm, { key, certificate, brings = false }: SealSigner, sealed: Sealed): Buffer {
  const algorithm = algorithmOf(key);
  if (!algorithm) throw new TypeError('a key that seals is one of P-256, ML-DSA or Ed25519');
  const { payload, stream, run, seq, time } = sealed;
  const header = {
    algorithm,
    type: sealTypes[form],
    thumbprint: hash('sha256', certificate, 'buffer'),
    chain: brings ? [certificate] : [],
    members: { stream, run, seq, time },
  };
  return writeMessage(form, header, payload, key);
}

/** What is claimed: whether it is so, `messageRefused` says with the key of that certificate. */
export function readSeal(bytes: Buffer, form: SealForm): ReadSeal | MessageRefused {
  if (bytes.length > sealBounds.sealBytesMax) return malformed(`it has more than ${sealBounds.sealBytesMax} bytes`);
  const message = readMessage(bytes, form);
  if ('refused' in message) return message;
  const { type, thumbprint, members, algorithm } = message.header;
  if (type !== sealTypes[form]) return malformed(`its "typ" is not ${sealTypes[form]}`);
  if (!thumbprint) return malformed('it names no certificate of a signer');
  const parsed = SealMembers.safeParse(members);
  if (parsed.success) return { message, members: parsed.data, thumbprint, algorithm };
  const [issue] = parsed.error.issues;
  return malformed(`its header's "${issue?.path.join('.')}": ${issue?.message}`);
}

const lineEnd = 0x0a;

/** The seals, or the acknowledgements, of one body, each as the bytes that were signed over or hashed; one more than `countMax` at most. */
export function messagesIn(body: Buffer, form: SealForm, countMax: number = sealBounds.sealsMax): Buffer[] {
  return form === 'cose' ? cosesIn(body, countMax) : linesIn(body, countMax);
}

function linesIn(body: Buffer, countMax: number): Buffer[] {
  const lines: Buffer[] = [];
  for (let from = 0; from < body.length && lines.length <= countMax; ) {
    const end = body.indexOf(lineEnd, from);
    lines.push(body.subarray(from, end === -1 ? body.length : end));
    from = end === -1 ? body.length : end + 1;
  }
  return lines;
}

export function bodyOf(messages: readonly Buffer[], form: SealForm): Buffer {
  const end = Buffer.from(form === 'jws' ? '\n' : '');
  return Buffer.concat(messages.flatMap((message) => [message, end]));
}

export const formOf = (mediaType: string | undefined): SealForm | undefined =>
  (Object.keys(sealMediaTypes) as SealForm[]).find((form) => sealMediaTypes[form] === mediaType);
