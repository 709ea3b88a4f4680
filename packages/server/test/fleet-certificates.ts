/** A fleet's certificates, made by the product's own encoder with keys of the test. */
import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, sign } from 'node:crypto';
import {
  digestOf,
  type Fingerprint,
  FleetName,
  type KeyAlgorithm,
  type Kind,
  keyAlgorithmOf,
  keyAlgorithms,
  type Purpose,
  subjectUri,
} from '@portcullis/contract';
import { makeKey } from '@portcullis/device';
import { positiveSerial } from '../src/issuance/serials.ts';
import { fingerprintOf, makeCertificate, type SignatureMaker, toPem } from '../src/pki/pki.ts';

export const day = 86_400_000;

interface Pair {
  name: string;
  privateKey: KeyObject;
  publicKey: Buffer;
}

export interface Leaf {
  key: string;
  /** The leaf, then its issuer. */
  cert: string;
  fingerprint: Fingerprint;
  notBefore: number;
  notAfter: number;
}

export interface LeafOptions {
  subject: string;
  kind?: Kind;
  purpose?: Purpose;
  notBefore?: number;
  notAfter?: number;
  /** Of its key; not given: that of the fleet. */
  algorithm?: KeyAlgorithm;
}

function pairOf(name: string, algorithm: KeyAlgorithm): Pair {
  const privateKey = createPrivateKey(makeKey(algorithm));
  const publicKey = createPublicKey(privateKey);
  return { name, privateKey, publicKey: publicKey.export({ type: 'spki', format: 'der' }) };
}

function makerOf({ privateKey }: Pair): SignatureMaker {
  const { signature: algorithm } = keyAlgorithms[keyAlgorithmOf(privateKey) ?? 'p-256'];
  return { algorithm, sign: async (bytes) => sign(digestOf(privateKey), bytes, privateKey) };
}

export class FleetCertificates {
  readonly fleet: FleetName;
  readonly #algorithm: KeyAlgorithm;
  readonly #root: Pair;
  readonly #issuer: Pair;
  rootPem = '';
  issuerPem = '';

  private constructor(fleet: string, algorithm: KeyAlgorithm) {
    this.fleet = FleetName.parse(fleet);
    this.#algorithm = algorithm;
    this.#root = pairOf('root', algorithm);
    this.#issuer = pairOf('issuer', algorithm);
  }

  static async make(fleet = 'test-fleet', algorithm: KeyAlgorithm = 'p-256'): Promise<FleetCertificates> {
    const made = new FleetCertificates(fleet, algorithm);
    made.rootPem = await made.#authority(made.#root, 1);
    made.issuerPem = await made.#authority(made.#issuer, 0);
    return made;
  }

  /** Whom a listener trusts. */
  get trust(): string {
    return this.rootPem + this.issuerPem;
  }

  async leaf({
    subject,
    kind = 'device',
    purpose = 'client',
    algorithm = this.#algorithm,
    ...validity
  }: LeafOptions): Promise<Leaf> {
    const pair = pairOf(subject, algorithm);
    const { notBefore = Date.now() - 3_600_000, notAfter = Date.now() + 30 * day } = validity;
    const der = await makeCertificate(
      {
        serial: positiveSerial(randomBytes(16)),
        ...{ issuer: this.#issuer.name, issuerPublicKey: this.#issuer.publicKey },
        ...{ subject, publicKey: pair.publicKey, notBefore, notAfter },
        purposes: [purpose],
        uris: [subjectUri(this.fleet, kind, subject as never)],
        ...(purpose === 'server' && { hosts: ['localhost', '127.0.0.1'] }),
      },
      makerOf(this.#issuer),
    );
    const key = pair.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
    const cert = toPem('CERTIFICATE', der) + this.issuerPem;
    return { key, cert, fingerprint: fingerprintOf(der), notBefore, notAfter };
  }

  async #authority(pair: Pair, pathLength: number): Promise<string> {
    const der = await makeCertificate(
      {
        serial: positiveSerial(randomBytes(16)),
        ...{ issuer: this.#root.name, issuerPublicKey: this.#root.publicKey },
        ...{ subject: pair.name, publicKey: pair.publicKey, authority: { pathLength } },
        notBefore: Date.now() - 365 * day,
        notAfter: Date.now() + 3650 * day,
      },
      makerOf(this.#root),
    );
    return toPem('CERTIFICATE', der);
  }
}
