import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Issuance } from '../issuance/issuance.ts';
import type { Store } from '../storage/storage.ts';
import { type System, timestamp } from '../telemetry/telemetry.ts';

interface Parts {
  store: Store;
  issuance: Pick<Issuance, 'issuers' | 'lifetimes'>;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
}

/** Who signs, or is above who signs, and ends within a year rings until another one signs in its place, or it has ended. */
export async function lookAtEnds({ store, issuance, alerts, system }: Parts): Promise<void> {
  const now = system.now();
  await store.change(async (db) => {
    for (const { fingerprint: key, name, role, state, notAfter } of issuance.issuers()) {
      if (state !== 'issuing' || now + issuance.lifetimes.endsSoonMs < notAfter || notAfter <= now) {
        await alerts.settle(db, 'issuer_ending', key, now);
        continue;
      }
      const says = `"${name}" ends at ${timestamp(notAfter)}, and all below it; "portcullis rollover start ${role}" prepares what follows`;
      const detail = { name, role, notAfter: timestamp(notAfter) };
      await alerts.raise(db, { kind: 'issuer_ending', subject: null, key, at: now, says, detail });
    }
  });
}
