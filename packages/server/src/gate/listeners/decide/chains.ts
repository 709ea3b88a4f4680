import { X509Certificate } from 'node:crypto';
import { fromPem } from '../../../pki/pki.ts';
import { isForClients } from './shown-certificate.ts';

/** An issuer of the fleet, and from when until when it and its root are valid. */
interface Anchor {
  certificate: X509Certificate;
  from: number;
  until: number;
}

/** Whom the fleet trusts, as TLS looks at it where a device stands before the gate itself: for what was shown to somebody else's TLS. */
export class Chains {
  readonly #anchors: readonly Anchor[];

  /** `trust`: roots and issuers in PEM. */
  constructor(trust: string) {
    const all = fromPem('CERTIFICATE', trust).map((der) => new X509Certificate(der));
    const roots = all.filter((one) => one.ca && signs(one, one));
    const issuers = all.filter((one) => one.ca && !roots.includes(one));
    this.#anchors = [
      ...roots.map((root) => anchorOf(root, root)),
      ...issuers.flatMap((issuer) => roots.filter((root) => signs(root, issuer)).map((root) => anchorOf(issuer, root))),
    ];
  }

  /** From when until when its chain holds (RFC 5280 §6.1); undefined: it is no client's certificate of this fleet. */
  ofLeaf(leaf: X509Certificate): Pick<Anchor, 'from' | 'until'> | undefined {
    if (leaf.ca || !isForClients(leaf)) return undefined;
    return this.#anchors.find(({ certificate }) => signs(certificate, leaf));
  }
}

function anchorOf(certificate: X509Certificate, root: X509Certificate): Anchor {
  return {
    certificate,
    from: Math.max(+certificate.validFromDate, +root.validFromDate),
    until: Math.min(+certificate.validToDate, +root.validToDate),
  };
}

function signs(issuer: X509Certificate, subject: X509Certificate): boolean {
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}
