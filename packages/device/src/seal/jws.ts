import type { KeyObject } from 'node:crypto';
import { readJson, sealBounds } from '@portcullis/contract';
import { isAlgorithm, signedBytes } from './algorithms.ts';
import {
  algorithmRefused,
  type Header,
  type Message,
  type MessageRefused,
  malformed,
  signatureComplaint,
} from './signed-message.ts';

const dot = 0x2e;
/** RFC 7515 §4.1: what is read of a header beside the message's own members. */
const known = ['alg', 'typ', 'x5t#S256', 'x5c', 'crit'];

/** Compact serialization (RFC 7515 §5.2): three parts of base64url, each in the one form that its bytes have. */
export function readJws(bytes: Buffer): Message | MessageRefused {
  const first = bytes.indexOf(dot);
  const second = bytes.indexOf(dot, first + 1);
  if (first < 1 || second < 0 || bytes.indexOf(dot, second + 1) >= 0)
    return malformed('a JWS in compact form has three parts between two dots');
  if (first > sealBounds.headerBytesMax)
    return malformed(`its header has more than ${sealBounds.headerBytesMax} bytes`);
  const [head, payload, signature] = [
    partOf(bytes, 0, first),
    partOf(bytes, first + 1, second),
    partOf(bytes, second + 1, bytes.length),
  ];
  if (!head || !payload || !signature) return malformed('a part of it is not base64url as RFC 7515 has it');
  const header = headerIn(head);
  if ('refused' in header) return header;
  const lengthComplaint = signatureComplaint(header, signature);
  if (lengthComplaint) return lengthComplaint;
  return { form: 'jws', header, payload, signed: bytes.subarray(0, second), signature };
}

/** Node reads over what is no base64url: the bytes must write the same text again (RFC 4648 §3.5). */
function partOf(bytes: Buffer, from: number, to: number): Buffer | undefined {
  const text = bytes.toString('latin1', from, to);
  const part = Buffer.from(text, 'base64url');
  return part.toString('base64url') === text ? part : undefined;
}

function headerIn(bytes: Buffer): Header | MessageRefused {
  const read = readJson(bytes.toString('utf8'));
  if ('refused' in read) return malformed(`its header: ${read.refused}`);
  const { value } = read;
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return malformed('its header is not an object');
  const { alg, typ, x5c, crit, 'x5t#S256': thumbprint, ...members } = value as Record<string, unknown>;
  if (!isAlgorithm(alg)) return algorithmRefused(alg);
  if (typeof typ !== 'string') return malformed('its header has no "typ"');
  const critical = criticalComplaint(crit, members);
  if (critical !== undefined) return malformed(critical);
  const chain = x5c === undefined ? [] : chainIn(x5c);
  if (!chain) return malformed('its "x5c" is not a list of certificates in base64');
  const named = thumbprint === undefined ? undefined : thumbprintIn(thumbprint);
  if (thumbprint !== undefined && !named) return malformed('its "x5t#S256" is not the base64url of 32 bytes');
  return { algorithm: alg, type: typ, chain, members, ...(named && { thumbprint: named }) };
}

/** RFC 7515 §4.1.11: names of members that stand there, none twice, and none that the RFC itself defines; who does not know one refuses. */
function criticalComplaint(crit: unknown, members: Record<string, unknown>): string | undefined {
  if (crit === undefined) return undefined;
  const names = Array.isArray(crit) ? (crit as unknown[]) : [];
  const understood = new Set<unknown>(['stream', 'run', 'seq', 'time'].filter((name) => Object.hasOwn(members, name)));
  if (names.length > 0 && names.every((name) => understood.delete(name))) return undefined;
  return 'its "crit" names a member that is not there, not known, or named twice';
}

function chainIn(x5c: unknown): Buffer[] | undefined {
  if (!Array.isArray(x5c) || x5c.length === 0 || x5c.length > sealBounds.certificatesMax) return undefined;
  const chain = x5c.map((text: unknown) => (typeof text === 'string' ? Buffer.from(text, 'base64') : undefined));
  return chain.every((der, index) => der?.toString('base64') === x5c[index]) ? (chain as Buffer[]) : undefined;
}

function thumbprintIn(text: unknown): Buffer | undefined {
  if (typeof text !== 'string' || text.length !== 43) return undefined;
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length === 32 && bytes.toString('base64url') === text ? bytes : undefined;
}

export function writeJws(
  { algorithm, type, thumbprint, chain, members }: Header,
  payload: Buffer,
  key: KeyObject,
): Buffer {
  const named = { ...(thumbprint && { 'x5t#S256': thumbprint.toString('base64url') }) };
  const brought = { ...(chain.length > 0 && { x5c: chain.map((der) => der.toString('base64')) }) };
  const own = Object.fromEntries(Object.entries(members).filter(([name]) => !known.includes(name)));
  const header = JSON.stringify({ alg: algorithm, typ: type, ...named, ...brought, ...own });
  const signed = Buffer.from(`${Buffer.from(header).toString('base64url')}.${payload.toString('base64url')}`);
  const signature = signedBytes(algorithm, key, signed);
  return Buffer.concat([signed, Buffer.from(`.${signature.toString('base64url')}`)]);
}
