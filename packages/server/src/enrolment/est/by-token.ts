import { type EstRequest, TokenSecret } from '@portcullis/contract';
import type { EnrolmentParts } from '../open.ts';
import { secretHash } from '../proof.ts';
import { issueFor, refused, tokenOf } from '../tokens.ts';

/** The subject as user and the secret of its token as password. @throws {PortcullisError} `token_refused` for whatever keeps it from being used */
export async function enrolByToken(
  parts: EnrolmentParts,
  { user, password }: NonNullable<EstRequest['basic']>,
  request: Buffer,
): Promise<string> {
  if (!TokenSecret.safeParse(password).success) throw refused();
  const row = await tokenOf(parts, 'secretHash', secretHash(password));
  if (row.subject !== user || row.est !== 1) throw refused();
  return (await issueFor(parts, row, request, { est: true })).certificate;
}
