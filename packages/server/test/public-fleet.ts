/** What a desk knows, and signs with, made by the test: a shipment on its way, and whatever is to be different about it. */
import { createHash, createPrivateKey } from 'node:crypto';
import {
  formatPublicCode,
  type KeyAlgorithm,
  type PublicCode,
  type PublicJourney,
  type PublicSubject,
} from '@portcullis/contract';
import { fromPem } from '../src/pki/pki.ts';
import type { PublicSource, Signing } from '../src/publication/publication.ts';
import { Publication } from '../src/publication/publication.ts';
import { timestamp } from '../src/telemetry/telemetry.ts';
import { day, FleetCertificates, type LeafOptions } from './fleet-certificates.ts';

export const codeOf = (name: string): PublicCode =>
  formatPublicCode(createHash('sha256').update(name).digest().subarray(0, 20));

export const journey: PublicJourney = {
  journey: 'vaccine-lane',
  state: 'moving',
  createdAt: '2030-01-01T08:00:00.000Z',
  steps: [
    { name: 'factory', state: 'done', at: '2030-01-01T09:00:00.000Z', place: 'Lyon', by: { role: 'factory' } },
    { name: 'pickup', state: 'expected', by: null },
    { name: 'delivered', state: 'open', by: null },
  ],
  corrections: [],
};

interface Asking {
  accept?: string;
  acceptLanguage?: string;
  ifNoneMatch?: string;
  from?: string;
}

/** A publication over subjects and a clock that the test owns. */
export class PublicFleet {
  readonly certificates: FleetCertificates;
  readonly signing: Signing;
  readonly subjects = new Map<string, PublicSubject>();
  readonly publication: Publication;
  readonly clock = { now: Date.UTC(2030, 0, 2, 12), ageMs: 0 };
  revision = 7;

  private constructor(certificates: FleetCertificates, signing: Signing) {
    this.certificates = certificates;
    this.signing = signing;
    const at = () => ({ revision: this.revision, time: timestamp(this.clock.now), ageMs: this.clock.ageMs });
    const source: PublicSource = {
      findByCode: (hash) => this.subjects.get(hash),
      get state() {
        return at();
      },
    };
    this.publication = new Publication({
      source,
      signing: () => this.signing,
      issuerOf: () => fromPem('CERTIFICATE', certificates.issuerPem)[0],
      ageMsMax: 3_600_000,
      monotonic: () => this.clock.now,
    });
  }

  static async make(signer: Partial<LeafOptions> = {}, algorithm?: KeyAlgorithm): Promise<PublicFleet> {
    const certificates = await FleetCertificates.make(undefined, algorithm);
    const validity = { notBefore: Date.UTC(2029, 11, 31), notAfter: Date.UTC(2030, 0, 30) };
    const { key, cert } = await certificates.leaf({
      ...{ subject: 'desk-1', kind: 'desk', purpose: 'publication', ...validity },
      ...signer,
    });
    const chain = fromPem('CERTIFICATE', cert);
    return new PublicFleet(certificates, { fleet: certificates.fleet, key: createPrivateKey(key), chain });
  }

  /** Known by the code of its name. */
  async put(name: string, given: Partial<PublicSubject> = {}): Promise<PublicSubject> {
    const { fingerprint, cert } = await this.certificates.leaf({ subject: name, kind: 'shipment' });
    const subject: PublicSubject = {
      ...{ subject: name as PublicSubject['subject'], kind: 'shipment', validUntil: null, attributes: {}, journey },
      certificate: {
        ...{ fingerprint, standing: 'valid', issuer: fingerprint },
        ...{ notBefore: timestamp(this.clock.now - day), notAfter: timestamp(this.clock.now + 30 * day) },
        certificate: fromPem('CERTIFICATE', cert)[0]?.toString('base64') ?? '',
      },
      ...given,
    };
    this.subjects.set(createHash('sha256').update(codeOf(name)).digest('hex'), subject);
    return subject;
  }

  ask(path: string, asking: Asking = {}) {
    const { accept, acceptLanguage, ifNoneMatch, from = '192.0.2.1' } = asking;
    return this.publication.answer({ path, accept, acceptLanguage, ifNoneMatch, from });
  }
}
