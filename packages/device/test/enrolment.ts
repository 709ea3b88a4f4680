/** The enrolment listener as a device sees it: certificates are issued by OpenSSL, signatures are checked for real. */
import { createPublicKey, randomBytes, sign, verify, X509Certificate } from 'node:crypto';
import {
  type Asked,
  answerBytes,
  type EnrolmentPurpose,
  formatToken,
  proofBytes,
  type SignedAnswer,
  type SubjectId,
} from '@portcullis/contract';
import { sha256Hex } from '../src/credential/answer.ts';
import { proofKeyOf } from '../src/credential/proof.ts';
import { localNames, makeTestFleet, type Wish } from './certificates.ts';
import { type Answer, type Received, refused, startServer } from './servers.ts';

const secret = 'A'.repeat(43);

export interface EnrolmentWishes {
  /** What the next requests get instead; the first is used up by each. */
  instead: ('hang' | 'break' | Answer)[];
  /** How the leaf differs from what it should be. */
  leaf: Wish;
  gates: string[];
  renewAfterMs: number;
  /** Members that a later authority adds to each answer. */
  more: Record<string, unknown>;
  /** What whoever carries the answers makes of one. */
  meddle: (answer: SignedAnswer, path: string) => unknown;
  /** What it says that the time is; milliseconds since 1970. */
  time: () => number;
}

/** Nothing is added, and nobody meddles. */
const calm = () => ({ more: {}, meddle: (answer: SignedAnswer): unknown => answer });

const purposes: Record<string, EnrolmentPurpose> = {
  '/v1/enrolments': 'enrolment',
  '/v1/renewals': 'renewal',
  '/v1/renewals/confirmation': 'confirmation',
  '/v1/renewals/gates': 'gates',
  '/v1/time': 'time',
};

export async function startEnrolment(fleet = makeTestFleet()) {
  const wishes: EnrolmentWishes = {
    instead: [],
    leaf: {},
    gates: [],
    renewAfterMs: 15 * 86_400_000,
    time: Date.now,
    ...calm(),
  };
  const issued = new Map<string, string>();
  const confirmed: string[] = [];
  const nonces = new Set<string>();
  /** Certificates that it has no record of, as after a restore. */
  const lost = new Set<string>();

  const credentialFor = (request: string, subject: string): Answer => {
    // Without the signature, which is another each time, and the length, which follows it: the same key gets the same certificate.
    const asked = request.slice(8, 150);
    const made = issued.get(asked) ?? issueFor(request, subject);
    issued.set(asked, made);
    const body = {
      fleet: 'plant',
      subject,
      kind: 'device',
      certificate: made,
      issuer: fleet.deviceIssuer.certificate,
      roots: fleet.root.certificate,
      bundleVersion: 1,
      renewAfter: new Date(Date.now() + wishes.renewAfterMs).toISOString(),
      notAfter: new X509Certificate(made).validToDate.toISOString(),
      gates: wishes.gates,
      authority: 'https://localhost:1',
      enrolment: server.url,
    };
    return { status: 200, body };
  };
  const issueFor = (request: string, subject: string) =>
    fleet.deviceIssuer.issueFor(Buffer.from(request, 'base64'), {
      uri: `device/${subject}`,
      purposes: ['clientAuth'],
      ...wishes.leaf,
    });
  /** What was asked, as its signer must have put it. */
  const askedBy = (path: string, { challenge = '', request, certificate = '' }: Record<string, string>): Asked => ({
    ...{ purpose: purposes[path] as EnrolmentPurpose, challenge },
    about: sha256Hex(path === '/v1/time' ? Buffer.alloc(0) : aboutOf(request, certificate)),
  });
  const aboutOf = (request: string | undefined, certificate: string) =>
    request === undefined ? new X509Certificate(certificate).raw : Buffer.from(request, 'base64');
  const isSigned = (path: string, asked: Record<string, string>) => {
    const { certificate = '', nonce = '', signature = '' } = asked;
    const bytes = proofBytes(askedBy(path, asked), nonce);
    return (
      nonces.delete(nonce) && verify('sha256', bytes, createPublicKey(certificate), Buffer.from(signature, 'base64'))
    );
  };
  const isProven = (path: string, asked: Record<string, string>) => {
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x: asked.proofKey ?? '' }, format: 'jwk' });
    const signature = Buffer.from(asked.signature ?? '', 'base64');
    return (
      asked.proofKey === proofKeyOf(secret).proofKey && verify(null, proofBytes(askedBy(path, asked)), key, signature)
    );
  };
  const signing = fleet.infrastructureIssuer.issue({ uri: 'authority/authority', purposes: ['serverAuth'] });
  const signed = (asked: Asked, told: object): SignedAnswer => {
    const payload = Buffer.from(JSON.stringify({ ...told, ...asked }));
    return {
      payload: payload.toString('base64'),
      signature: sign('sha256', answerBytes(payload), signing.key).toString('base64'),
      signer: signing.certificate,
      signerIssuer: fleet.infrastructureIssuer.certificate,
    };
  };

  const routes: Record<string, (asked: Record<string, string>, path: string) => Answer> = {
    '/v1/enrolments': (asked, path) =>
      isProven(path, asked) ? credentialFor(asked.request ?? '', 'truck-17') : refused(403, 'token_refused'),
    '/v1/renewals/nonce': () => {
      const nonce = randomBytes(16).toString('hex');
      nonces.add(nonce);
      return { status: 200, body: { nonce } };
    },
    '/v1/renewals': (asked, path) =>
      isSigned(path, asked) ? credentialFor(asked.request ?? '', 'truck-17') : refused(403, 'renewal_refused'),
    '/v1/renewals/confirmation': (asked, path) => {
      if (!isSigned(path, asked)) return refused(403, 'renewal_refused');
      confirmed.push(asked.certificate ?? '');
      return { status: 200, body: { confirmed: true } };
    },
    '/v1/renewals/gates': (asked, path) =>
      isSigned(path, asked) ? { status: 200, body: { gates: wishes.gates } } : refused(403, 'renewal_refused'),
    '/v1/time': () => ({ status: 200, body: { at: new Date(wishes.time()).toISOString() } }),
  };
  const answer = ({ path, body }: Received) => {
    const asked = JSON.parse(body) as Record<string, string>;
    const given = wishes.instead.shift();
    // What is refused is not looked at.
    if (typeof given === 'object' && given.status >= 400) return given;
    const isLost = path !== '/v1/renewals/nonce' && lost.has(asked.certificate ?? '');
    const made = isLost
      ? refused(404, 'certificate_unknown')
      : (routes[path]?.(asked, path) ?? refused(404, 'route_unknown'));
    if (given !== undefined && (typeof given !== 'object' || given.status !== 0)) return given;
    if (made.status !== 200 || purposes[path] === undefined) return made;
    const whole = signed(askedBy(path, asked), { ...(made.body as object), ...wishes.more });
    return { status: 200, body: wishes.meddle({ ...whole, ...wishes.more } as SignedAnswer, path) };
  };
  const authority = fleet.infrastructureIssuer.issue({
    uri: 'authority/authority',
    alternatives: localNames,
    purposes: ['serverAuth'],
  });
  const cert = authority.certificate + fleet.infrastructureIssuer.certificate;
  const server = await startServer({ key: authority.key, cert }, answer);
  const tokenFor = (url: string, root = fleet.root.certificate) =>
    formatToken({ url, subject: 'truck-17' as SubjectId, secret, roots: [derOf(root)] });
  return { fleet, server, wishes, signed, issued, confirmed, lost, token: tokenFor(server.url), tokenFor };
}

function derOf(pem: string): string {
  return new X509Certificate(pem).raw.toString('base64');
}
