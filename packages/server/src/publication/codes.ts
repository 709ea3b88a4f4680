import { formatPublicCode, PortcullisError, type PublicCode, publicCodeBytes } from '@portcullis/contract';
import type { By, Journal } from '../journal/journal.ts';
import type { Writer } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';
import { codeHash } from './code-hash.ts';

interface Parts {
  journal: Pick<Journal, 'note'>;
  system: Pick<System, 'now' | 'random'>;
}

/** The authority's side: which code leads to which shipment. It keeps hashes; a code is told once, to whoever asked for it. */
export interface Codes {
  /** Of a shipment that is new in this very transaction, or has none. The one before, where there was one, leads nowhere. */
  make(db: Writer, shipment: string): Promise<PublicCode>;
  /** @throws {PortcullisError} `subject_unknown`, `kind_conflict`, `subject_retired` */
  rotate(by: By, shipment: string): Promise<PublicCode>;
  /** Called with the shipment once its code is another one. Returns how to stop. */
  onRotated(listener: (shipment: string) => void): () => void;
}

export function openCodes({ journal, system }: Parts): Codes {
  const listeners = new Set<(shipment: string) => void>();
  const make = (db: Writer, shipment: string) => putCode(db, shipment, system);
  return {
    make,
    async rotate(by, shipment) {
      const entry = { ...by, action: 'codes.rotate', body: { subject: shipment } };
      const code = await journal.note(entry, async (db) => {
        await requireShipment(db, shipment);
        return make(db, shipment);
      });
      for (const listener of listeners) listener(shipment);
      return code;
    },
    onRotated(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

async function putCode(db: Writer, subject: string, { now, random }: Parts['system']): Promise<PublicCode> {
  const code = formatPublicCode(random(publicCodeBytes));
  const row = { hash: codeHash(code), madeAt: now() };
  await db
    .insertInto('publicCodes')
    .values({ subject, ...row })
    .onConflict((conflict) => conflict.column('subject').doUpdateSet(row))
    .execute();
  return code;
}

async function requireShipment(db: Writer, id: string): Promise<void> {
  const row = await db.selectFrom('subjects').select(['kind', 'retired']).where('id', '=', id).executeTakeFirst();
  if (!row) throw new PortcullisError('subject_unknown', `there is no "${id}" in this fleet`);
  if (row.kind !== 'shipment')
    throw new PortcullisError('kind_conflict', `"${id}" is a ${row.kind}; only a shipment has a public code`);
  if (row.retired) throw new PortcullisError('subject_retired', `"${id}" is retired; no code leads to it`);
}
