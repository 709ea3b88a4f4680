import { publicAnswerType } from '@portcullis/contract';
import { joseAlgorithmOf, joseSignature } from '../pki/pki.ts';
import type { Signing } from './promises.ts';

const base64url = (text: string) => Buffer.from(text).toString('base64url');
/** The header of one signer is always the same. */
const headers = new WeakMap<Signing, string>();

function headerOf(signing: Signing): string {
  const known = headers.get(signing);
  if (known !== undefined) return known;
  const x5c = signing.chain.map((certificate) => certificate.toString('base64'));
  const made = base64url(JSON.stringify({ alg: joseAlgorithmOf(signing.key), typ: publicAnswerType, x5c }));
  headers.set(signing, made);
  return made;
}

/** Compact serialization (RFC 7515 §3.1), the chain in `x5c` (RFC 7515 §4.1.6). */
export function signedJws(payload: string, signing: Signing): string {
  const input = `${headerOf(signing)}.${base64url(payload)}`;
  return `${input}.${joseSignature(signing.key, input)}`;
}
