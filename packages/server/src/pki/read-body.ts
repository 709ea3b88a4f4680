import { contextTag, DerReader, tags } from './read-der.ts';

/** What stands in a certificate before its signature (RFC 5280 §4.1.2), as a reader that did not write it finds it. */
export interface CertificateBody {
  /** 3. */
  version: number;
  /** As it is written: with the zero before a first bit that is set. */
  serial: Buffer;
  /** AlgorithmIdentifier in DER. */
  signature: Buffer;
  /** Names in DER. */
  issuer: Buffer;
  subject: Buffer;
  /** Both times in DER. */
  notBefore: Buffer;
  notAfter: Buffer;
  /** SubjectPublicKeyInfo in DER. */
  publicKey: Buffer;
  extensions: BodyExtension[];
}

export interface BodyExtension {
  /** The object identifier in DER. */
  id: Buffer;
  critical: boolean;
  value: Buffer;
}

const [utcTime, generalizedTime] = [0x17, 0x18];

/** @throws {PortcullisError} `request_malformed` for what is not strictly DER, or has other members */
export function readBody(bytes: Buffer): CertificateBody {
  const outer = new DerReader(bytes);
  const body = outer.within(tags.sequence);
  outer.end();
  const versionReader = body.within(contextTag(0));
  const [version = 0] = versionReader.read(tags.integer);
  versionReader.end();
  const serial = body.read(tags.integer);
  const signature = body.whole(tags.sequence);
  const issuer = body.whole(tags.sequence);
  const validity = body.within(tags.sequence);
  const [notBefore, notAfter] = [timeIn(validity), timeIn(validity)];
  validity.end();
  const subject = body.whole(tags.sequence);
  const publicKey = body.whole(tags.sequence);
  const extensions = extensionsIn(body.within(contextTag(3)));
  body.end();
  return { version: version + 1, serial, signature, issuer, subject, notBefore, notAfter, publicKey, extensions };
}

const timeIn = (validity: DerReader) => validity.whole(validity.next === utcTime ? utcTime : generalizedTime);

/** `outer`: what `[3]` is around. @throws {PortcullisError} `request_malformed` */
export function extensionsIn(outer: DerReader): BodyExtension[] {
  const list = outer.within(tags.sequence);
  outer.end();
  const found: BodyExtension[] = [];
  while (list.next !== undefined) {
    const one = list.within(tags.sequence);
    const id = one.whole(tags.objectIdentifier);
    // DER leaves the default out (X.690 §11.5): where it stands, it is true.
    const critical = one.next === tags.boolean && one.read(tags.boolean)[0] === 0xff;
    found.push({ id, critical, value: one.read(tags.octets) });
    one.end();
  }
  return found;
}

/** The bits of the key in a SubjectPublicKeyInfo. @throws {PortcullisError} `request_malformed` */
export function keyBitsIn(publicKey: Buffer): Buffer {
  const outer = new DerReader(publicKey);
  const info = outer.within(tags.sequence);
  outer.end();
  info.whole(tags.sequence);
  const bits = info.read(tags.bits);
  info.end();
  return bits.subarray(1);
}

/** Of an EC key's SubjectPublicKeyInfo. Node tells of the curve alike, whether it is named or written out, which verifiers refuse. */
export function namesItsCurve(publicKey: Buffer): boolean {
  const algorithm = new DerReader(publicKey).within(tags.sequence).within(tags.sequence);
  algorithm.whole(tags.objectIdentifier);
  return algorithm.next === tags.objectIdentifier;
}
