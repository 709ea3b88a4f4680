import type { CurrentCertificate } from '@portcullis/contract';
import type { Reader } from '../storage/storage.ts';
import { timestamp } from '../telemetry/telemetry.ts';

/** The standings that count, the best one first; a superseded certificate has a successor. */
export const standings = ['valid', 'suspended', 'revoked'] as const satisfies CurrentCertificate['standing'][];

/** What each of these subjects connects with, where it has something. All that is asked for is in one index. */
export async function currentCertificates(db: Reader, ids: string[]): Promise<Map<string, CurrentCertificate>> {
  const rows = await db
    .selectFrom('certificates')
    .select(({ fn }) => ['subject', 'standing', fn.max('notAfter').as('notAfter')])
    .where('subject', 'in', ids)
    .where('purpose', '=', 'client')
    .where('standing', 'in', standings)
    .where('confirmed', '=', 1)
    .groupBy(['subject', 'standing'])
    .execute();
  const found = new Map<string, CurrentCertificate>();
  for (const standing of standings.toReversed()) {
    for (const row of rows.filter((one) => one.standing === standing)) {
      found.set(row.subject, { standing, notAfter: timestamp(row.notAfter) });
    }
  }
  return found;
}
