import type { Journal } from '../journal/journal.ts';
import type { Reader, Store } from '../storage/storage.ts';
import { aTurn, type Log, type System, timestamp } from '../telemetry/telemetry.ts';
import { loop } from './loop.ts';
import type { AlertsRaised } from './promises.ts';

export interface Expiring {
  fingerprint: string;
  /** A certificate, or else a key credential. */
  form: string;
  subject: string;
  kind: string;
  notAfter: number;
}

export interface WatchParts {
  store: Store;
  journal: Pick<Journal, 'verifyEnd'>;
  alerts: AlertsRaised;
  system: Pick<System, 'now'>;
  log: Log;
  /** How long before its end a certificate rings. */
  expiringMs: number;
  expiring(db: Reader, asked: { now: number; until: number; after?: Expiring; limit: number }): Promise<Expiring[]>;
  /** What somebody found who looked at all of the journal. */
  verified(): { at: string; whole: boolean } | undefined;
}

const expiringEveryMs = 3_600_000;
const journalEveryMs = 600_000;
/** In one transaction. */
const pageMax = 100;
/** Of a whole fleet that ends at once the first to end ring. */
const roundMax = 20_000;

/** What nobody else looks for: certificates that end, and the end of the journal. */
export function openWatches(parts: WatchParts): AsyncDisposable {
  const ended = new AbortController();
  const { system } = parts;
  const loops = [
    loop(parts, ended.signal, 'certificates that end soon', async () => {
      await lookAtCertificates(parts, ended.signal);
      return system.now() + expiringEveryMs;
    }),
    loop(parts, ended.signal, 'the end of the journal', async () => {
      await lookAtJournal(parts);
      return system.now() + journalEveryMs;
    }),
  ];
  for (const one of loops) one.wake();
  return {
    async [Symbol.asyncDispose]() {
      ended.abort();
      await Promise.all(loops.map((one) => one.done()));
    },
  };
}

/** Each certificate rings once, until another took its place, it was cut, or it has ended. */
export async function lookAtCertificates(parts: WatchParts, signal?: AbortSignal): Promise<void> {
  const { store, alerts, system, expiringMs } = parts;
  const now = system.now();
  const found = new Set<string>();
  for (let after: Expiring | undefined; found.size < roundMax && !signal?.aborted; await aTurn()) {
    const asked = { now, until: now + expiringMs, limit: pageMax, ...(after && { after }) };
    const page = await store.read((db) => parts.expiring(db, asked));
    for (const { fingerprint } of page) found.add(fingerprint);
    if (page.length > 0) {
      await store.change(async (db) => {
        for (const one of page) await alerts.raise(db, alertOf(one, now));
      });
    }
    after = page.at(-1);
    if (page.length < pageMax) break;
  }
  await settleOthers(parts, found, now);
}

function alertOf({ fingerprint, form, subject, kind, notAfter }: Expiring, at: number) {
  const what = form === 'certificate' ? form : 'key credential';
  const says = `the ${what} of ${kind} "${subject}" ends at ${timestamp(notAfter)}, and none follows it`;
  const detail = { fingerprint, kind, notAfter: timestamp(notAfter) };
  return { kind: 'certificate_expiring', subject, key: fingerprint, at, says, detail } as const;
}

async function settleOthers({ store, alerts }: WatchParts, found: ReadonlySet<string>, now: number): Promise<void> {
  if (found.size >= roundMax) return;
  const open = await store.read((db) =>
    db
      .selectFrom('alerts')
      .select('key')
      .where('kind', '=', 'certificate_expiring')
      .where('settledAt', 'is', null)
      .execute(),
  );
  const over = open.filter(({ key }) => !found.has(key));
  for (let from = 0; from < over.length; from += pageMax) {
    await store.change(async (db) => {
      for (const { key } of over.slice(from, from + pageMax)) await alerts.settle(db, 'certificate_expiring', key, now);
    });
    await aTurn();
  }
}

const journalKey = 'journal';

/** As `GET /v1/status` finds it. */
export async function lookAtJournal({ store, journal, alerts, system, verified }: WatchParts): Promise<void> {
  const { broken } = await journal.verifyEnd();
  const whole = verified();
  const found = broken
    ? `the journal is damaged at entry ${broken.position}: ${broken.why}`
    : whole?.whole === false
      ? `"portcullis journal verify" found the journal damaged at ${whole.at}`
      : undefined;
  const at = system.now();
  await store.change((db) =>
    found === undefined
      ? alerts.settle(db, 'journal_damaged', journalKey, at)
      : alerts.raise(db, {
          ...{ kind: 'journal_damaged', subject: null, key: journalKey, at, says: found },
          detail: { broken, verified: whole ?? null },
        }),
  );
}
