import type { KeyObject } from 'node:crypto';
import { sealBounds } from '@portcullis/contract';
import { algorithmNumbered, algorithms, signedBytes } from './algorithms.ts';
import { type CborKey, CborMalformed, type CborMap, CborReader, type CborValue, headOf, writeCbor } from './cbor.ts';
import {
  algorithmRefused,
  type Header,
  type Message,
  type MessageRefused,
  malformed,
  signatureComplaint,
} from './signed-message.ts';

/** RFC 9052 §2: the tag of a COSE_Sign1, which may be there or not, and the head of an array of four. */
const tag = 0xd2;
const four = 0x84;
const noUnprotected = 0xa0;

/** RFC 9052 §3.1, RFC 9596 §2, RFC 9360 §2. */
const labels = { alg: 1, crit: 2, typ: 16, x5chain: 33, x5t: 34 } as const;
/** Its number for SHA-256 (RFC 9054 §2.1). */
const sha256 = -16;
const own = ['stream', 'run', 'seq', 'time'];

/** RFC 9052 §4.2, with the payload in it, and nothing at all in the header that no signature covers. */
export function readCose(bytes: Buffer): Message | MessageRefused {
  try {
    const reader = new CborReader(bytes);
    const message = nextCose(reader);
    return reader.done ? message : malformed('bytes stand behind it');
  } catch (error) {
    if (error instanceof CborMalformed) return malformed(error.message);
    throw error;
  }
}

function nextCose(reader: CborReader): Message | MessageRefused {
  const { head, payload, signature } = partsOf(reader);
  if (head.length > sealBounds.headerBytesMax)
    return malformed(`its header has more than ${sealBounds.headerBytesMax} bytes`);
  const header = headerIn(head);
  if ('refused' in header) return header;
  const lengthComplaint = signatureComplaint(header, signature);
  if (lengthComplaint) return lengthComplaint;
  return { form: 'cose', header, payload, signed: toBeSigned(head, payload), signature };
}

function partsOf(reader: CborReader) {
  reader.takes(tag);
  if (!reader.takes(four)) throw new CborMalformed('it is not a COSE_Sign1');
  const head = reader.byteString();
  if (!reader.takes(noUnprotected)) throw new CborMalformed('it has something in its unprotected header');
  return { head, payload: reader.byteString(), signature: reader.byteString() };
}

/** The bytes of each COSE_Sign1 of a sequence (RFC 8742); of the first that is none, and all behind it, what is left. */
export function cosesIn(bytes: Buffer, countMax: number): Buffer[] {
  const found: Buffer[] = [];
  const reader = new CborReader(bytes);
  while (!reader.done && found.length <= countMax) {
    const from = reader.at;
    try {
      partsOf(reader);
    } catch {
      return [...found, bytes.subarray(from)];
    }
    found.push(bytes.subarray(from, reader.at));
  }
  return found;
}

/** RFC 9052 §4.4, without data from outside. */
const context = writeCbor('Signature1');
export function toBeSigned(head: Buffer, payload: Buffer): Buffer {
  const empty = headOf(2, 0);
  return Buffer.concat([
    headOf(4, 4),
    context,
    headOf(2, head.length),
    head,
    empty,
    headOf(2, payload.length),
    payload,
  ]);
}

function headerIn(bytes: Buffer): Header | MessageRefused {
  const reader = new CborReader(bytes);
  const map = reader.value();
  if (!(map instanceof Map) || !reader.done) return malformed('its protected header is not one map');
  const algorithm = algorithmNumbered(map.get(labels.alg));
  if (!algorithm) return algorithmRefused(map.get(labels.alg));
  const type: unknown = map.get(labels.typ);
  if (typeof type !== 'string') return malformed('its header has no "typ" (16) that is a text');
  const critical = criticalComplaint(map);
  if (critical !== undefined) return malformed(critical);
  const chain = chainIn(map.get(labels.x5chain));
  if (!chain) return malformed('its "x5chain" (33) is no list of certificates');
  const thumbprint = thumbprintIn(map.get(labels.x5t));
  if (thumbprint === null) return malformed('its "x5t" (34) is not [-16, the 32 bytes of a SHA-256]');
  const members = Object.fromEntries(own.filter((name) => map.has(name)).map((name) => [name, map.get(name)]));
  return { algorithm, type, chain, members, ...(thumbprint && { thumbprint }) };
}

/** RFC 9052 §3.1: labels that stand in this header; one that is not known refuses the whole. */
function criticalComplaint(map: CborMap): string | undefined {
  const crit = map.get(labels.crit);
  if (crit === undefined) return undefined;
  const understood: readonly CborKey[] = [...Object.values(labels), ...own];
  const isKnown = (label: CborValue) => understood.includes(label as CborKey) && map.has(label as CborKey);
  return Array.isArray(crit) && crit.length > 0 && (crit as CborValue[]).every(isKnown)
    ? undefined
    : 'its "crit" (2) names a label that is not there or not known';
}

function chainIn(chain: CborValue | undefined): readonly Buffer[] | undefined {
  if (chain === undefined) return [];
  const all = Buffer.isBuffer(chain) ? [chain] : chain;
  if (!Array.isArray(all) || all.length === 0 || all.length > sealBounds.certificatesMax) return undefined;
  return all.every((der) => Buffer.isBuffer(der)) ? (all as Buffer[]) : undefined;
}

function thumbprintIn(x5t: CborValue | undefined): Buffer | undefined | null {
  if (x5t === undefined) return undefined;
  const [kind, bytes, ...rest] = Array.isArray(x5t) ? (x5t as CborValue[]) : [];
  return kind === sha256 && Buffer.isBuffer(bytes) && bytes.length === 32 && rest.length === 0 ? bytes : null;
}

export function writeCose(
  { algorithm, type, thumbprint, chain, members }: Header,
  payload: Buffer,
  key: KeyObject,
): Buffer {
  const header = new Map<CborKey, CborValue>([
    [labels.alg, algorithms[algorithm].cose],
    [labels.typ, type],
    ...(thumbprint ? [[labels.x5t, [sha256, thumbprint]] as const] : []),
    ...(chain.length > 0 ? [[labels.x5chain, chain.length === 1 ? (chain[0] as Buffer) : chain] as const] : []),
    ...(Object.entries(members) as [string, string | number][]),
  ]);
  const head = writeCbor(header);
  const signature = signedBytes(algorithm, key, toBeSigned(head, payload));
  const parts = [head, Buffer.alloc(0), payload, signature];
  return Buffer.concat([
    Buffer.from([tag, four]),
    ...parts.flatMap((part, index) => (index === 1 ? [Buffer.from([noUnprotected])] : [headOf(2, part.length), part])),
  ]);
}
