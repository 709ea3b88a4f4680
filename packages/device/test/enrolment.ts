/** The enrolment listener as a device sees it: certificates are issued by OpenSSL, signatures are checked for real. */
import { createPublicKey, randomBytes, verify, X509Certificate } from 'node:crypto';
import { confirmationBytes, formatToken, gatesBytes, renewalBytes, type SubjectId } from '@portcullis/contract';
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
}

export async function startEnrolment(fleet = makeTestFleet()) {
  const wishes: EnrolmentWishes = { instead: [], leaf: {}, gates: [], renewAfterMs: 15 * 86_400_000, more: {} };
  const issued = new Map<string, string>();
  const confirmed: string[] = [];
  const nonces = new Set<string>();

  const credentialFor = (request: string, subject: string): Answer => {
    const made = issued.get(request) ?? issueFor(request, subject);
    issued.set(request, made);
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
  const isSigned = (certificate: string, bytes: Buffer, signature: string) =>
    verify('sha256', bytes, createPublicKey(certificate), Buffer.from(signature, 'base64'));

  const routes: Record<string, (asked: Record<string, string>) => Answer> = {
    '/v1/enrolments': ({ secret: given, request = '' }) =>
      given === secret ? credentialFor(request, 'truck-17') : refused(403, 'token_refused'),
    '/v1/renewals/nonce': () => {
      const nonce = randomBytes(16).toString('hex');
      nonces.add(nonce);
      return { status: 200, body: { nonce } };
    },
    '/v1/renewals': ({ certificate = '', request = '', nonce = '', signature = '' }) =>
      nonces.delete(nonce) && isSigned(certificate, renewalBytes(nonce, request), signature)
        ? credentialFor(request, 'truck-17')
        : refused(403, 'renewal_refused'),
    '/v1/renewals/confirmation': ({ certificate = '', nonce = '', signature = '' }) => {
      if (!nonces.delete(nonce) || !isSigned(certificate, confirmationBytes(nonce), signature)) {
        return refused(403, 'renewal_refused');
      }
      confirmed.push(certificate);
      return { status: 200, body: { confirmed: true } };
    },
  };
  routes['/v1/renewals/gates'] = ({ certificate = '', nonce = '', signature = '' }) =>
    nonces.delete(nonce) && isSigned(certificate, gatesBytes(nonce), signature)
      ? { status: 200, body: { gates: wishes.gates } }
      : refused(403, 'renewal_refused');
  const answer = ({ path, body }: Received) => {
    const made = routes[path]?.(JSON.parse(body) as Record<string, string>) ?? refused(404, 'route_unknown');
    const given = wishes.instead.shift();
    if (given !== undefined && (typeof given !== 'object' || given.status !== 0)) return given;
    return { ...made, body: { ...(made.body as object), ...wishes.more } };
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
  return { fleet, server, wishes, issued, confirmed, token: tokenFor(server.url), tokenFor };
}

function derOf(pem: string): string {
  return new X509Certificate(pem).raw.toString('base64');
}
