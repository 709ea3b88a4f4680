import { PortcullisError } from '@portcullis/contract';
import { type Credential, problemOf } from '@portcullis/device';
import { linkTo } from './link-to.ts';

/** Whoever is admitted is answered there, be it that its kind has no business with it. */
const path = '/v1/gates';
const answerMs = 10_000;

/**
 * Shows a renewed pair to the authority, beside the one in use: TLS 1.3 refuses a client only after its own handshake (FIELD-NOTES B4), so
 * that an answer which knows who asks is the proof.
 * @throws {PortcullisError} `server_unreachable`: it took it not, or was not there
 */
export async function proveToAuthority(credential: Credential, authorities: readonly string[]): Promise<void> {
  const link = linkTo(credential, authorities);
  try {
    const answer = await link.request({ url: `${authorities[0]}${path}`, timeoutMs: answerMs });
    if (answer.status >= 400 && problemOf(answer).code === 'not_authenticated') throw problemOf(answer);
  } catch (cause) {
    const words = `the renewed certificate was not proven at the authority yet, and the one before it stays in use: ${(cause as Error).message}`;
    throw new PortcullisError('server_unreachable', words, { cause });
  } finally {
    link.close();
  }
}
