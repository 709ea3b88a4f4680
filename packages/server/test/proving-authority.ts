/** An authority that renews and confirms, and whose API takes the pairs that a test says: certificates by OpenSSL, real TLS. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { FleetName, Kind, SubjectId } from '@portcullis/contract';
import { type Credential, credentialFileIn, makeDirectory, writeCredential } from '@portcullis/device';
import { localNames, makeTestFleet } from '../../device/test/certificates.ts';
import { startEnrolment } from '../../device/test/enrolment.ts';
import { refused, startServer } from '../../device/test/servers.ts';

const day = 86_400_000;
const fleet = makeTestFleet();

/** `enrolled`: a due credential in a directory of its own. */
export async function openProvingAuthority() {
  const enrolment = await startEnrolment(fleet);
  const own = fleet.infrastructureIssuer.issue({
    ...{ uri: 'authority/authority', alternatives: localNames, purposes: ['serverAuth'] },
  });
  const asked: { serial: string; confirmed: number }[] = [];
  /** What there is now: another root beside the first. */
  const bundle = { roots: fleet.root.certificate + fleet.infrastructureIssuer.certificate, bundleVersion: 2 };
  const serverCertificate = ({ request }: { request: string }) => ({
    status: 200,
    body: {
      ...bundle,
      certificate: fleet.infrastructureIssuer.issueFor(Buffer.from(request, 'base64'), { uri: 'gate/truck-17' }),
      ...{ issuer: fleet.infrastructureIssuer.certificate, issuers: fleet.infrastructureIssuer.certificate },
      renewAfter: new Date(Date.now() + day).toISOString(),
      notAfter: new Date(Date.now() + day).toISOString(),
    },
  });
  const takes = { all: true };
  const api = await startServer(
    {
      ...{ key: own.key, cert: own.certificate + fleet.infrastructureIssuer.certificate },
      ...{ ca: fleet.root.certificate + fleet.deviceIssuer.certificate, requestCert: true },
    },
    ({ serial = '', path, body }) => {
      if (path === '/v1/server-certificates') return serverCertificate(JSON.parse(body) as { request: string });
      asked.push({ serial, confirmed: enrolment.confirmed.length });
      return problem(takes.all ? 'kind_not_allowed' : 'not_authenticated');
    },
  );
  const enrolled = (context: TestContext, kind: Kind, told: Partial<Credential> = {}) => {
    enrolment.wishes.more = { authority: api.url, kind };
    enrolment.wishes.leaf = { uri: `${kind}/truck-17` };
    const home = mkdtempSync(join(tmpdir(), 'portcullis-proving-'));
    context.after(() => rmSync(home, { recursive: true, force: true }));
    const directory = join(home, 'own');
    makeDirectory(directory);
    const pair = fleet.deviceIssuer.issue({ uri: `${kind}/truck-17`, purposes: ['clientAuth'] });
    const credential: Credential = {
      ...{ fleet: 'plant' as FleetName, subject: 'truck-17' as SubjectId, kind, ...pair },
      ...{ issuer: fleet.deviceIssuer.certificate, roots: fleet.root.certificate, bundleVersion: 1, gates: [] },
      renewAfter: new Date(Date.now() - day).toISOString(),
      notAfter: new Date(Date.now() + 15 * day).toISOString(),
      ...{ authority: api.url, enrolment: enrolment.server.url },
      ...told,
    };
    writeCredential(credentialFileIn(directory), credential);
    return { directory, file: credentialFileIn(directory), credential };
  };
  /** It has no record of this certificate any more, and did not make it. */
  const lose = (certificate: string) => {
    enrolment.lost.add(certificate);
    enrolment.issued.clear();
  };
  return { confirmed: enrolment.confirmed, lose, url: api.url, api, asked, takes, bundle, enrolled };
}

const problem = (code: string) => refused(403, code, { code });
