import type { AttributeValue, ExportQuery, ImportedCertificate, ImportRow, SubjectView } from '@portcullis/contract';
import type { Attributes } from '../attributes/attributes.ts';
import { toPem } from '../pki/pki.ts';
import type { Store } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';

interface Parts {
  store: Store;
  attributes: Attributes;
  system: System;
}

/** What lies under a hold is what an operator said, and what is given: a hold ends, and an import would make it last. */
export async function exportPage({ store, attributes, system }: Parts, { after, limit, kind }: ExportQuery) {
  const { items, next } = await attributes.list({ limit, ...(after && { after }), ...(kind && { kind }) });
  const found = items.filter(({ retired }) => !retired);
  const ids = found.map(({ subject }) => subject);
  const certificates = await certificatesOf(store, ids, system.now());
  const rows = await store.read(async (db) => {
    const made: ImportRow[] = [];
    for (const subject of found)
      made.push(rowOf(subject, await attributes.beneath(db, subject.subject), certificates.get(subject.subject)));
    return made;
  });
  return { items: rows, next };
}

function rowOf(
  { subject, kind, attributes }: SubjectView,
  beneath: ReadonlyMap<string, AttributeValue | null>,
  certificates: ImportedCertificate[] = [],
): ImportRow {
  const values = attributes.flatMap(({ name, value }) => {
    const said = beneath.has(name) ? beneath.get(name) : value;
    return said === null || said === undefined ? [] : [[name, said] as const];
  });
  const isPublic = attributes.filter(({ visibility }) => visibility === 'public').map(({ name }) => name);
  return {
    subject,
    kind,
    attributes: Object.fromEntries(values) as ImportRow['attributes'],
    public: isPublic,
    ...(certificates.length > 0 && { certificates }),
  };
}

/** Those that a gate would know: not what ended, what another took the place of, or what nobody has shown to hold. */
async function certificatesOf(store: Store, subjects: readonly string[], now: number) {
  const found = new Map<string, ImportedCertificate[]>();
  if (subjects.length === 0) return found;
  const rows = await store.read((db) =>
    db
      .selectFrom('certificates')
      .select(['subject', 'der', 'standing'])
      .where('subject', 'in', subjects)
      .where('purpose', '=', 'client')
      .where('form', '=', 'certificate')
      .where('standing', 'in', ['valid', 'suspended', 'revoked'])
      .where('confirmed', '=', 1)
      .where('notAfter', '>', now)
      .orderBy('issuedAt')
      .execute(),
  );
  for (const { subject, der, standing } of rows) {
    const own = found.get(subject) ?? [];
    own.push({ certificate: toPem('CERTIFICATE', der), standing } as ImportedCertificate);
    found.set(subject, own);
  }
  return found;
}
