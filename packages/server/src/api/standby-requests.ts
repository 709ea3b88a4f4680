import { type Asked, putSigned, whoAsk } from '../authorities/authorities.ts';
import { Buckets } from '../bounds/bounds.ts';
import type { Store } from '../storage/storage.ts';
import { goOn } from '../telemetry/telemetry.ts';
import type { Rooms } from './route.ts';

const looks = { moreMs: 1_000, restMs: 1_000 };
/** Each is a row, and an entry of the journal, for good: who stands by asks twice in the life of one. */
const signedRate = { burst: 30, everyMs: 120_000 };

type Parts = Pick<Rooms, 'authorities' | 'issuance' | 'journal' | 'hosts' | 'system' | 'log'> & {
  store: Pick<Store, 'read' | 'change'>;
};

/** Who leads signs for those that stand by, names of this fleet's authorities alone. Returns what ends it. */
export function signForStandbys(parts: Parts): () => Promise<void> {
  const { store, system, log } = parts;
  const signed = new Buckets({ ...signedRate, monotonic: system.monotonic });
  const look = async () => {
    try {
      for (const { id, asked } of await store.read(whoAsk)) {
        if (!signed.take('')) break;
        await (asked && (await isOurs(parts, asked)) ? sign(parts, id, asked) : refuse(parts, id));
      }
    } catch (error) {
      log.warn({ err: error }, "couldn't sign for an authority that stands by; trying again");
    }
    return false;
  };
  return goOn(look, looks.restMs, looks);
}

async function isOurs({ authorities, hosts }: Parts, asked: Asked): Promise<boolean> {
  const known = new Set([...hosts, ...(await authorities.names())]);
  return asked.hosts.every((host) => known.has(host));
}

async function sign({ issuance, journal }: Parts, id: string, { request: base64, hosts }: Asked): Promise<void> {
  const request = Buffer.from(base64, 'base64');
  const signed = await issuance.issue(
    await issuance.check({ subject: 'authority', kind: 'authority', request, hosts }),
  );
  const entry = {
    actor: 'authority',
    action: 'certificates.server',
    body: { fingerprint: signed.fingerprint, hosts, standby: id },
  };
  await journal.note(entry, async (db) => {
    await issuance.recordOwn(db, signed, 'authority');
    await putSigned(db, id, signed.pem + signed.issuerPem);
  });
}

async function refuse({ store, log }: Parts, id: string): Promise<void> {
  log.warn({ standby: id }, 'an authority that stands by asks for names that no authority of this fleet has');
  await store.change((db) => putSigned(db, id, ''));
}
