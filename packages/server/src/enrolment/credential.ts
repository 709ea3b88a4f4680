import {
  FleetName,
  type GateList,
  type IssuedCredential,
  type Kind,
  PortcullisError,
  type SubjectId,
} from '@portcullis/contract';
import { readCertificate, toPem } from '../pki/pki.ts';
import { timestamp } from '../telemetry/telemetry.ts';
import type { EnrolmentParts } from './open.ts';

const gatesLookedAtMax = 1_024;
const gatesNamedMax = 64;

/** What a subject is given with its certificate. */
export async function credentialOf(
  parts: EnrolmentParts,
  { subject, kind, der }: { subject: string; kind: Kind; der: Buffer },
): Promise<IssuedCredential> {
  const { issuer, notBefore, notAfter } = readCertificate(der);
  return {
    fleet: FleetName.parse(parts.fleet),
    subject: subject as SubjectId,
    kind,
    certificate: toPem('CERTIFICATE', der),
    issuer: parts.issuance.issuerOf({ issuer }),
    roots: parts.issuance.bundle.roots,
    bundleVersion: parts.issuance.bundle.version,
    renewAfter: timestamp(parts.issuance.renewAfter({ notBefore, notAfter })),
    notAfter: timestamp(notAfter),
    ...(await gatesOf(parts)),
    ...placesOf(parts),
  };
}

/** Who speaks to the authority all the time: they come to it with or without a desk, and a desk could not be its own way back. */
const nearby: readonly Kind[] = ['gate', 'desk', 'operator', 'authority'];

/** All that stand for each other, the first one first. */
export function enrolmentUrlsFor({ deskUrl, enrolmentUrl }: Urls, kind: Kind): string[] {
  return [nearby.includes(kind) ? enrolmentUrl : (deskUrl ?? enrolmentUrl)].flat();
}

type Urls = Pick<EnrolmentParts, 'authorityUrl' | 'deskUrl' | 'enrolmentUrl'>;

/** Where the authority is, and where enrolment; of several all of them, and only then. `kind`: left out, without a desk. */
export function placesOf(
  urls: Urls,
  kind: Kind = 'operator',
): Pick<IssuedCredential, 'authority' | 'enrolment' | 'addresses'> {
  const addresses = { authority: [urls.authorityUrl].flat(), enrolment: enrolmentUrlsFor(urls, kind) };
  const [authority = ''] = addresses.authority;
  const [enrolment = ''] = addresses.enrolment;
  const isOne = addresses.authority.length === 1 && addresses.enrolment.length === 1;
  return { authority, enrolment, ...(!isOne && { addresses }) };
}

/** For whoever takes a desk: who asks for a signed answer does. */
export function atDesk(parts: EnrolmentParts, { addresses: _, ...issued }: IssuedCredential): IssuedCredential {
  return { ...issued, ...placesOf(parts, issued.kind) };
}

/** As the first release knows it, which takes no member that it does not know. */
export function plainly<Told extends GateList>({
  mqttGates: _mqtt,
  addresses: _addresses,
  ...told
}: Told): Omit<Told, 'mqttGates' | 'addresses'> {
  return told;
}

/**
 * Where gates were last seen to listen that could still serve: one that is cut off, or whose certificate ended, is named to nobody.
 * Before any gate was seen, what the configuration says.
 */
export async function gatesOf(parts: EnrolmentParts): Promise<GateList> {
  const rows = await parts.store.read((db) =>
    db
      .selectFrom('subjects')
      .select(({ exists, selectFrom }) => [
        'url',
        'mqttUrl',
        exists(
          selectFrom('certificates')
            .select('fingerprint')
            .whereRef('certificates.subject', '=', 'subjects.id')
            .where('purpose', '=', 'client')
            .where('standing', '=', 'valid')
            .where('notAfter', '>', parts.system.now()),
        ).as('serves'),
      ])
      .where('kind', '=', 'gate')
      .where('retired', '=', 0)
      .where('url', 'is not', null)
      .orderBy('id')
      .limit(gatesLookedAtMax)
      .execute(),
  );
  const serving = rows.filter((row) => row.serves);
  const named = (urls: (string | null)[]) => urls.filter((url) => url !== null).slice(0, gatesNamedMax);
  return {
    gates: rows.length > 0 ? named(serving.map(({ url }) => url)) : parts.gates,
    mqttGates: named(serving.map(({ mqttUrl }) => mqttUrl)),
  };
}

export function requestBytes(base64: string): Buffer {
  const bytes = Buffer.from(base64, 'base64');
  if (bytes.length === 0)
    throw new PortcullisError('request_malformed', 'the request is empty; it must be PKCS#10 in DER, base64');
  return bytes;
}
