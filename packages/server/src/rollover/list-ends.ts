import type { AlertsRaised } from '../alerts/alerts.ts';
import type { Issuance } from '../issuance/issuance.ts';
import type { Store } from '../storage/storage.ts';
import { type System, timestamp } from '../telemetry/telemetry.ts';

interface Parts {
  store: Store;
  issuance: Pick<Issuance, 'issuers'>;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
}

/** Somebody has to go to another machine. */
const soonMs = 30 * 86_400_000;

/** A list that nobody here can make anew rings a month before its end, or in the last half of its life, until a later one is brought. */
export async function lookAtListEnds({ store, issuance, alerts, system }: Parts): Promise<void> {
  const now = system.now();
  await store.change(async (db) => {
    const lists = await db.selectFrom('revocationLists').select(['issuer', 'thisUpdate', 'nextUpdate']).execute();
    for (const { issuer: key, thisUpdate, nextUpdate } of lists) {
      const issuer = issuance.issuers().find((one) => one.key === key);
      const rest = Math.min(soonMs, (nextUpdate - thisUpdate) / 2);
      // Of one that has left the bundle, or ended, nobody looks for a list.
      const isWanted = issuer && !issuer.signer && issuer.state !== 'retired' && now < issuer.notAfter;
      if (!isWanted || now + rest < nextUpdate) {
        await alerts.settle(db, 'list_ending', key, now);
        continue;
      }
      const until = timestamp(nextUpdate);
      const says = `the list of revoked certificates of "${issuer.name}" ends at ${until}, and verifiers that load it then refuse everybody: "portcullis root list" makes a later one where its key is, "portcullis revocation add" brings it`;
      const detail = { name: issuer.name, nextUpdate: until };
      await alerts.raise(db, { kind: 'list_ending', subject: null, key, at: now, says, detail });
    }
  });
}
