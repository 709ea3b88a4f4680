import { z } from 'zod';
import { Challenge } from './enrolment.ts';

/** What is asked for: in what is signed, so that a signature for one purpose is none for another. */
export const EnrolmentPurpose = z.enum(['enrolment', 'renewal', 'confirmation', 'gates', 'time']);
export type EnrolmentPurpose = z.infer<typeof EnrolmentPurpose>;

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');

/** What is asked, in a few words: it is signed by the one who asks, and named by the answer. */
export const Asked = z.object({
  purpose: EnrolmentPurpose,
  challenge: Challenge,
  /** SHA-256 of the PKCS#10 request in DER; where none travels, of the certificate in DER; for the time, of nothing. */
  about: Sha256,
});
export type Asked = z.infer<typeof Asked>;

/** `nonce`: of the server, wherever a certificate asks; a token is good once anyway. */
export function proofBytes({ purpose, challenge, about }: Asked, nonce?: string): Buffer {
  const lines = [`portcullis ${purpose} v2`, ...(nonce === undefined ? [] : [nonce]), challenge, about];
  return Buffer.from(lines.join('\n'));
}

/** What a device of the first release signs: it names neither challenge nor hash. */
export function firstReleaseBytes(purpose: EnrolmentPurpose, nonce: string, requestBase64?: string): Buffer {
  return Buffer.from(
    [`portcullis ${purpose} v1`, nonce, ...(requestBase64 === undefined ? [] : [requestBase64])].join('\n'),
  );
}

/**
 * The authority's answer, whoever carries it: signed with a key whose certificate has the role `authority` in its URI and ends at a
 * root of the fleet. The text that is signed travels as it is: nothing has to be written twice the same.
 */
export const SignedAnswer = z.object({
  /** JSON, base64: `Asked`, and what was asked for beside it. */
  payload: z
    .string()
    .max(262_144)
    .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64'),
  /** Over `answerBytes`, base64: ECDSA with SHA-256, in DER, or ML-DSA. */
  signature: z
    .string()
    .max(8_192)
    .regex(/^[A-Za-z0-9+/]+={0,2}$/, 'must be base64'),
  /** Of the key that signed, and who issued it, in PEM. */
  signer: z.string().max(16_384),
  signerIssuer: z.string().max(16_384),
});
export type SignedAnswer = z.infer<typeof SignedAnswer>;

export function answerBytes(payload: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from('portcullis answer v1\n'), payload]);
}
