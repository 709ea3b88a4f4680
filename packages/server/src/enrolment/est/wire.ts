import { der, type KeyAlgorithm, keyAlgorithms, objectIdentifiers, PortcullisError } from '@portcullis/contract';
import { certsOnly } from '../../pki/pki.ts';

const request = 'PKCS#10 in DER, or that in base64';

/**
 * The PKCS#10 of a body: DER, or base64 with or without line breaks, told apart by the first byte alone (RFC 8951 §3.1: no header says it).
 * @throws {PortcullisError} `request_malformed`
 */
export function requestIn(body: Buffer): Buffer {
  if (body.length === 0) throw malformed('empty');
  if (body[0] === 0x30) return body;
  const text = body.toString('latin1').replaceAll(/\r?\n/g, '');
  if (text.startsWith('-----')) throw malformed('PEM; leave out the lines that begin with "-----"');
  const bytes = Buffer.from(text, 'base64');
  // Node takes what it can: what does not come out the same was something else.
  if (bytes.length === 0 || bytes.toString('base64') !== text) throw malformed('neither');
  return bytes;
}

function malformed(found: string): PortcullisError {
  return new PortcullisError('request_malformed', `the body is ${found}; it must be ${request}`);
}

/** One line, and its end: what strongSwan and `openssl base64 -d` both read whole (FINDINGS B4). */
export function answerOf(certificates: readonly Uint8Array[]): string {
  return `${certsOnly(certificates).toString('base64')}\n`;
}

const { objectIdentifier, sequence, set } = der;

/**
 * What a request is to be like (RFC 8951 §3.2): signed with this algorithm, of ECDSA with its curve beside; of ML-DSA the identifier of
 * signature and key are one (RFC 9881 §2). Names are not asked for: those of a request are not used.
 */
export function csrAttributesAnswer(algorithm: KeyAlgorithm): string {
  const signature = objectIdentifier(keyAlgorithms[algorithm].signature);
  const curve = set(objectIdentifier(objectIdentifiers.p256));
  const key = sequence(objectIdentifier(objectIdentifiers.ecPublicKey), curve);
  return `${sequence(signature, ...(algorithm === 'p-256' ? [key] : [])).toString('base64')}\n`;
}
