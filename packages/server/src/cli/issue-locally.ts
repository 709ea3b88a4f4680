import { FleetName, type Kind, type SubjectId } from '@portcullis/contract';
import { type Credential, makeKey, makeRequest } from '@portcullis/device';
import type { Records } from '../assemble.ts';
import type { FleetConfig } from '../config/config.ts';
import { timestamp } from '../telemetry/telemetry.ts';

interface Wanted {
  subject: string;
  kind: Exclude<Kind, 'authority'>;
  readOnly?: boolean;
}

/** A credential straight from the store, for whoever holds its keys anyway: at `init`, and as the way back in. */
export async function issueLocally(
  records: Records,
  config: FleetConfig,
  { subject, kind, readOnly }: Wanted,
): Promise<Credential> {
  const { issuance, journal, attributes } = records;
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
    authority: config.authorityUrl,
    enrolment: config.enrolmentUrl,
  };
}
