import type { SealForm } from '@portcullis/contract';
import { algorithms, type SealAlgorithm } from './algorithms.ts';

/** What stands in the protected header, in whichever form it is written. */
export interface Header {
  algorithm: SealAlgorithm;
  type: string;
  /** SHA-256 of the signer's leaf. */
  thumbprint?: Buffer;
  /** The signer's certificate and its issuer's, in DER. */
  chain: readonly Buffer[];
  /** What is the message's own: texts and integers. */
  members: Readonly<Record<string, unknown>>;
}

export interface Message {
  form: SealForm;
  header: Header;
  payload: Buffer;
  /** What the signature is over: the protected bytes as they came. */
  signed: Buffer;
  signature: Buffer;
}

/** Why a message is not taken; a code of the table of reasons. */
export interface MessageRefused {
  refused: 'seal_malformed' | 'seal_algorithm_refused' | 'seal_signature_wrong';
  detail: string;
}

export const malformed = (detail: string): MessageRefused => ({ refused: 'seal_malformed', detail });

export function algorithmRefused(algorithm: unknown): MessageRefused {
  const said = JSON.stringify(algorithm)?.slice(0, 64) ?? 'nothing';
  return {
    refused: 'seal_algorithm_refused',
    detail: `its header names ${said} as algorithm; it must be one of [${Object.keys(algorithms).join(', ')}]`,
  };
}

/** Of each algorithm signatures have one length. */
export function signatureComplaint({ algorithm }: Header, { length }: Buffer): MessageRefused | undefined {
  const { signatureBytes } = algorithms[algorithm];
  if (length === signatureBytes) return undefined;
  return malformed(`its signature has ${length} bytes, not ${signatureBytes}`);
}
