import { suspectedClone } from '../alerts/alerts.ts';
import type { EnrolmentParts } from './open.ts';

/** Two hold what one should. Written down once a minute for each certificate: who raises it could fill the journal. The outside is told once a day. */
export async function suspectClone(
  { alarms, alerts, journal, log, system }: EnrolmentParts,
  { subject, fingerprint }: { subject: string; fingerprint: string },
  why: string,
): Promise<void> {
  if (!alarms.take(fingerprint)) return;
  const entry = { actor: subject, action: 'clone_suspected', body: { subject, fingerprint } };
  const alert = suspectedClone({ subject, fingerprint }, { says: why, at: system.now() });
  await journal.note(entry, (db) => alerts.raise(db, alert));
  log.warn({ subject, fingerprint }, `clone_suspected: ${why}`);
}
