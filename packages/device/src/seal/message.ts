import type { KeyObject } from 'node:crypto';
import type { SealForm } from '@portcullis/contract';
import { algorithmOf, isSignedBy } from './algorithms.ts';
import { readCose, writeCose } from './cose.ts';
import { readJws, writeJws } from './jws.ts';
import type { Header, Message, MessageRefused } from './signed-message.ts';

export const readMessage = (bytes: Buffer, form: SealForm): Message | MessageRefused =>
  form === 'jws' ? readJws(bytes) : readCose(bytes);

export const writeMessage = (form: SealForm, header: Header, payload: Buffer, key: KeyObject): Buffer =>
  form === 'jws' ? writeJws(header, payload, key) : writeCose(header, payload, key);

/** RFC 8725 §3.1: the key says which algorithm it is for, and the header must agree. Undefined: it is signed by that key. */
export function messageRefused({ header, signed, signature }: Message, key: KeyObject): MessageRefused | undefined {
  const { algorithm } = header;
  if (algorithmOf(key) !== algorithm)
    return { refused: 'seal_algorithm_refused', detail: `the signer's key is not one for ${algorithm}` };
  if (isSignedBy(algorithm, key, signed, signature)) return undefined;
  return { refused: 'seal_signature_wrong', detail: 'it is not signed by the key of the certificate that it names' };
}
