/** A fleet's certificates, what is known of them, and who answers for it, with a clock of the test. */
import { createPrivateKey, sign, X509Certificate } from 'node:crypto';
import { objectIdentifiers, type StandingsMessage, type ToldStanding } from '@portcullis/contract';
import { type Delegate, KnownStandings, Responder } from '../src/ocsp/ocsp.ts';
import { fingerprintOf, fromPem, subjectOf } from '../src/pki/pki.ts';
import { day, FleetCertificates, type Leaf } from './fleet-certificates.ts';

const ageMsMax = 3_600_000;

/** What a desk holds that answers in the name of the issuer of this leaf. */
export function delegateOf({ key, cert, notAfter }: Leaf): Delegate {
  const [certificate] = fromPem('CERTIFICATE', cert) as [Buffer];
  const privateKey = createPrivateKey(key);
  return {
    ...{ name: subjectOf(certificate).name, certificate, notAfter, algorithm: objectIdentifiers.ecdsaWithSha256 },
    sign: (bytes) => sign('sha256', bytes, privateKey),
  };
}

export class OcspFleet {
  readonly certificates: FleetCertificates;
  readonly clock = { now: Date.now(), monotonic: 0 };
  readonly known: KnownStandings;
  readonly responder: Responder;
  readonly issuerDer: Buffer;

  private constructor(certificates: FleetCertificates, delegate: Delegate) {
    const system = { now: () => this.clock.now, monotonic: () => this.clock.monotonic };
    this.certificates = certificates;
    this.known = new KnownStandings({ system, onChange: (place) => this.responder.forget(place) });
    this.responder = new Responder({ known: this.known, delegateOf: () => delegate, ageMsMax, system });
    [this.issuerDer] = fromPem('CERTIFICATE', certificates.issuerPem) as [Buffer];
    this.begin();
  }

  static async make(): Promise<OcspFleet> {
    const certificates = await FleetCertificates.make();
    const leaf = await certificates.leaf({ subject: 'desk-1', kind: 'desk', purpose: 'ocsp' });
    return new OcspFleet(certificates, delegateOf(leaf));
  }

  begin(): void {
    const issuer = { fingerprint: fingerprintOf(this.issuerDer), certificate: this.issuerDer.toString('base64') };
    this.hear({ type: 'issuers', issuers: [issuer] });
  }

  hear(message: StandingsMessage): void {
    this.known.hear(message);
  }

  /** Its standing, and a beat after it. */
  tell(leaf: Leaf | string, reason: number | null = null, changedAt = this.clock.now): void {
    const serial = typeof leaf === 'string' ? leaf : serialOf(leaf);
    const item: ToldStanding = [0, serial, reason, changedAt, this.clock.now + 30 * day];
    this.hear({ type: 'standings', items: [item] });
    this.beat();
  }

  beat(revision = 1): void {
    this.hear({ type: 'beat', revision, time: new Date(this.clock.now).toISOString() });
  }

  pass(milliseconds: number): void {
    this.clock.now += milliseconds;
    this.clock.monotonic += milliseconds;
  }
}

/** In lower-case hex. */
export const serialOf = ({ cert }: Leaf) => new X509Certificate(cert).serialNumber.toLowerCase();
