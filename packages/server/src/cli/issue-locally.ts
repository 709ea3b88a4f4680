import { FleetName, type Kind, type SubjectId } from '@portcullis/contract';
import { type Credential, makeKey, makeRequest } from '@portcullis/device';
import type { Records } from '../assemble.ts';
import type { FleetConfig } from '../config/config.ts';
import { placesOf } from '../enrolment/enrolment.ts';
import { timestamp } from '../telemetry/telemetry.ts';

interface Wanted {
  subject: string;
  kind: Exclude<Kind, 'authority'>;
  readOnly?: boolean;
  /** Also where it was suspended or revoked, which the journal then says. */
  afterRevocation?: boolean;
}

/**
 * A credential straight from the store, for whoever holds its keys anyway: at `init`, and as the way back in. Who was cut gets none unawares (P9).
 * @throws {PortcullisError} `after_revocation_required`, `kind_conflict`, `subject_retired`, and those of a request
 */
export async function issueLocally(
  records: Records,
  config: FleetConfig,
  { subject, kind, readOnly, afterRevocation = false }: Wanted,
): Promise<Credential> {
  const { issuance, journal, attributes, revocation } = records;
  const key = makeKey(issuance.keysOf(kind));
  const values = () => records.store.read((db) => attributes.valuesOf(db, subject));
  const asking = {
    ...({ way: 'operator', est: false } as const),
    attributes: async () => new Map(Object.entries(await values())),
  };
  const request = makeRequest(key, subject);
  const signed = await issuance.issue(await issuance.check({ subject, kind, request, asking }));
  await journal.change(
    { actor: 'authority', action: 'certificates.issue', reason: 'issued on the store itself' },
    async (change) => {
      await attributes.ensure(change, { subject, kind, readOnly, beside: true, attributes: {} });
      if (afterRevocation) change.about({ afterRevocation });
      else await revocation.requireNotCut(change.db, subject);
      await issuance.record(change, signed);
    },
  );
  return {
    fleet: FleetName.parse(config.fleet),
    subject: subject as SubjectId,
    kind,
    key,
    certificate: signed.pem,
    issuer: signed.issuerPem,
    roots: issuance.bundle.roots,
    bundleVersion: issuance.bundle.version,
    renewAfter: timestamp(issuance.renewAfter(signed)),
    notAfter: timestamp(signed.notAfter),
    gates: config.gates,
    ...placesOf(config, kind),
  };
}
