import type { EnrolmentParts } from './open.ts';

/** Two hold what one should. Written down once a minute for each certificate: who raises it could fill the journal. */
export async function suspectClone(
  { alarms, journal, log }: EnrolmentParts,
  { subject, fingerprint }: { subject: string; fingerprint: string },
  why: string,
): Promise<void> {
  if (!alarms.take(fingerprint)) return;
  const entry = { actor: subject, action: 'clone_suspected', body: { subject, fingerprint } };
  await journal.note(entry, async () => undefined);
  log.warn({ subject, fingerprint }, `clone_suspected: ${why}`);
}
