import { createPrivateKey, createPublicKey, sign } from 'node:crypto';
import { digestOf, FleetName, keyAlgorithms, type SubjectId, subjectUri } from '@portcullis/contract';
import { type Credential, makeKey, type System } from '@portcullis/device';
import { makeCertificate, toPem } from '../pki/pki.ts';

const day = 86_400_000;
/** RFC 5280 §4.1.2.2: a serial is positive. */
const serialOf = (system: System) => Buffer.concat([Buffer.of(1), system.random(15)]);

/** A certificate that says it is of the fleet, and that no issuer of the fleet has signed. */
export async function strangerOf(known: Credential, subject: SubjectId, system: System): Promise<Credential> {
  const key = makeKey('p-256');
  const privateKey = createPrivateKey(key);
  const publicKey = createPublicKey(privateKey).export({ type: 'spki', format: 'der' });
  const der = await makeCertificate(
    {
      ...{ serial: serialOf(system), issuer: 'nobody', issuerPublicKey: publicKey, subject, publicKey },
      ...{ notBefore: system.now() - day, notAfter: system.now() + day, purposes: ['client'] },
      uris: [subjectUri(FleetName.parse(known.fleet), 'device', subject)],
    },
    {
      algorithm: keyAlgorithms['p-256'].signature,
      sign: async (bytes) => sign(digestOf(privateKey), bytes, privateKey),
    },
  );
  return { ...known, subject, kind: 'device', key, certificate: toPem('CERTIFICATE', der), issuer: '' };
}
