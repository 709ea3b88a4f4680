import { PortcullisError } from '@portcullis/contract';
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

/**
 * What a request is to be like (RFC 8951 §3.2): ECDSA with SHA-256, by a key on P-256. Names are not asked for: those of a request are not
 * used. In DER: SEQUENCE { ecdsa-with-SHA256, SEQUENCE { id-ecPublicKey, SET { prime256v1 } } }.
 */
const csrAttributes = '302106082a8648ce3d040302301506072a8648ce3d0201310a06082a8648ce3d030107';

export const csrAttributesAnswer = `${Buffer.from(csrAttributes, 'hex').toString('base64')}\n`;
