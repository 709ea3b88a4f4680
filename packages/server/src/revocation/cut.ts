import { PortcullisError } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';

export async function requireNotCut(db: Reader, subject: string): Promise<void> {
  const cut = await db
    .selectFrom('certificates')
    .select(['standing', 'form'])
    .where('subject', '=', subject)
    .where('standing', 'in', ['suspended', 'revoked'])
    .executeTakeFirst();
  if (!cut) return;
  throw new PortcullisError(
    'after_revocation_required',
    `"${subject}" has a ${cut.standing} ${cut.form === 'certificate' ? 'certificate' : 'key credential'}; say --after-revocation to give it a new one all the same`,
  );
}
