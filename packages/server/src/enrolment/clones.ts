import type { EnrolmentParts } from './open.ts';

const dayMs = 86_400_000;

/** Two hold what one should. Written down once a minute for each certificate: who raises it could fill the journal. The outside is told once a day. */
export async function suspectClone(
  { alarms, alerts, journal, log, system }: EnrolmentParts,
  { subject, fingerprint }: { subject: string; fingerprint: string },
  why: string,
): Promise<void> {
  if (!alarms.take(fingerprint)) return;
  const entry = { actor: subject, action: 'clone_suspected', body: { subject, fingerprint } };
  const at = system.now();
  const alert = {
    ...({ kind: 'clone_suspected', subject, key: `${fingerprint} ${Math.floor(at / dayMs)}`, at } as const),
    ...{ says: `${subject}: ${why}`, detail: { fingerprint } },
  };
  await journal.note(entry, (db) => alerts.raise(db, alert));
  log.warn({ subject, fingerprint }, `clone_suspected: ${why}`);
}
