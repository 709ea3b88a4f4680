import {
  AppliedReport,
  acceptedInFeed,
  FeedQuery,
  GateReads,
  GateReadsRequest,
  GateView,
  LeaseAnswer,
  LeaseRelease,
  LeaseRequest,
  PortcullisError,
  PublicationCertificate,
  PublicationCertificateRequest,
  ServerCertificate,
  ServerCertificateRequest,
  SettlementAnswer,
  SettlementRequest,
  SubjectId,
} from '@portcullis/contract';
import { z } from 'zod';
import { timestamp } from '../telemetry/telemetry.ts';
import { type Call, type Rooms, type Route, route } from './route.ts';
import { streamed } from './streamed.ts';

const params = z.strictObject({ id: SubjectId });
const Done = z.object({ done: z.literal(true) });

export const gatesRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/gates',
    kinds: ['operator'],
    summary: 'Gates and their instances: lease, applied revision, rates',
    uses: ['feed'],
    schemas: {},
    answer: z.object({ items: z.array(GateView) }),
    handle: async ({ feed }) => ({ items: await feed.gates() }),
  }),
  route({
    method: 'GET',
    path: '/v1/gates/:id/reads',
    kinds: ['operator'],
    summary: 'The attributes that a gate may ask of the feed',
    uses: ['attributes'],
    schemas: { params },
    answer: GateReads,
    handle: async ({ attributes }, { params: { id } }) => ({ reads: await attributes.gateReads.of(id) }),
  }),
  route({
    method: 'POST',
    path: '/v1/gates/:id/reads',
    kinds: ['operator'],
    summary: 'Sets the attributes that a gate may ask of the feed: at once, and no revision',
    uses: ['attributes'],
    schemas: { params, body: GateReadsRequest },
    answer: z.object({ changed: z.union([z.literal(0), z.literal(1)]) }),
    handle: ({ attributes }, { params: { id }, body: { reads, reason }, by }) =>
      attributes.gateReads.change({ ...by, ...(reason !== undefined && { reason }) }, id, reads),
  }),
  route({
    method: 'GET',
    path: '/v1/feed',
    kinds: ['gate'],
    summary: 'Snapshot, changes in order, then live (NDJSON)',
    uses: ['attributes', 'feed', 'journal', 'log', 'revocation', 'system'],
    schemas: { query: FeedQuery },
    handle: streamFeed,
  }),
  route({
    method: 'POST',
    path: '/v1/leases',
    kinds: ['gate'],
    summary: 'Renews the lease of a gate’s instance',
    uses: ['feed', 'attributes', 'issuance', 'rollovers'],
    schemas: { body: LeaseRequest },
    answer: LeaseAnswer,
    async handle({ feed, attributes, issuance, rollovers }, { body, peer, by }) {
      await attributes.announce(by, body);
      rollovers.heard(peer.subject, body.bundle, body.instance);
      // What it has applied is older than a cut that commits from here on: that one's receipt waits for this lease, or the
      // gate does not join (rules 4 and 5).
      const answer = await feed.renew(peer.subject, body);
      // A gate of the first release says no version, and takes no answer with one.
      const knows = answer.granted && body.bundle !== undefined;
      const { bundleDue } = rollovers;
      const told = { bundle: issuance.bundle.version, ...(bundleDue !== undefined && { bundleDue }) };
      return knows ? { ...answer, ...told } : answer;
    },
  }),
  route({
    method: 'POST',
    path: '/v1/leases/release',
    kinds: ['gate'],
    summary: 'Gives a lease back: the instance decides nothing any more',
    uses: ['feed'],
    schemas: { body: LeaseRelease },
    answer: Done,
    async handle({ feed }, { body, peer }) {
      feed.release(peer.subject, body.instance);
      return { done: true };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/reports',
    kinds: ['gate'],
    summary: 'Tells that a revision is applied and nothing judged before it is under way',
    uses: ['feed'],
    schemas: { body: AppliedReport },
    answer: Done,
    async handle({ feed }, { body, peer }) {
      await feed.report(peer.subject, body);
      return { done: true };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/settlements',
    kinds: ['gate'],
    summary: 'Asks what became of the last batch of a process that died',
    uses: ['feed'],
    schemas: { body: SettlementRequest },
    answer: SettlementAnswer,
    bodyBytesMax: 8 * 1024 * 1024,
    handle: ({ feed }, { body, peer }) => feed.settle(peer.subject, body),
  }),
  route({
    method: 'POST',
    path: '/v1/server-certificates',
    kinds: ['gate', 'desk'],
    summary: 'A server certificate for the names that the authority has on record',
    uses: ['issuance', 'journal', 'attributes', 'hosts', 'serverCertificates'],
    schemas: { body: ServerCertificateRequest },
    answer: ServerCertificate,
    handle: issueServerCertificate,
  }),
  route({
    method: 'POST',
    path: '/v1/publication-certificates',
    kinds: ['desk'],
    summary: 'A certificate of the key that a desk signs public answers with',
    uses: ['issuance', 'journal', 'fleet', 'serverCertificates'],
    schemas: { body: PublicationCertificateRequest },
    answer: PublicationCertificate,
    handle: issuePublicationCertificate,
  }),
];

type CertificateRooms = 'issuance' | 'journal' | 'attributes' | 'hosts' | 'serverCertificates';

async function issueServerCertificate(
  { issuance, journal, attributes, hosts: ownHosts, serverCertificates }: Pick<Rooms, CertificateRooms>,
  { body, peer, by }: Call<{ body: typeof ServerCertificateRequest }>,
) {
  requireSeldom(serverCertificates, peer.subject);
  const hosts = (await attributes.hostsOf(peer.subject)) ?? ownHosts;
  const request = Buffer.from(body.request, 'base64');
  const signed = await issuance.issue(await issuance.check({ subject: peer.subject, kind: peer.kind, request, hosts }));
  const entry = {
    ...by,
    action: 'certificates.server',
    body: { fingerprint: signed.fingerprint, hosts },
  };
  await journal.note(entry, (db) => issuance.recordOwn(db, signed, peer.subject));
  const { roots, issuers, version } = issuance.bundle;
  const bundleVersion = body.bundle && version;
  const [renewAfter, notAfter] = [timestamp(issuance.renewAfter(signed)), timestamp(signed.notAfter)];
  const certificate = { certificate: signed.pem, issuer: signed.issuerPem, roots, issuers, renewAfter, notAfter };
  return bundleVersion === undefined ? certificate : { ...certificate, bundleVersion };
}

async function issuePublicationCertificate(
  {
    issuance,
    journal,
    fleet,
    serverCertificates,
  }: Pick<Rooms, 'issuance' | 'journal' | 'fleet' | 'serverCertificates'>,
  { body, peer, by }: Call<{ body: typeof PublicationCertificateRequest }>,
) {
  requireSeldom(serverCertificates, peer.subject);
  const request = Buffer.from(body.request, 'base64');
  const asked = { subject: peer.subject, kind: peer.kind, request, publication: true } as const;
  const signed = await issuance.issue(await issuance.check(asked));
  const entry = { ...by, action: 'certificates.publication', body: { fingerprint: signed.fingerprint } };
  await journal.note(entry, (db) => issuance.recordOwn(db, signed, peer.subject));
  const [renewAfter, notAfter] = [timestamp(issuance.renewAfter(signed)), timestamp(signed.notAfter)];
  return { fleet, certificate: signed.pem, issuer: signed.issuerPem, renewAfter, notAfter };
}

/** @throws {PortcullisError} `rate_limited` */
export function requireSeldom(issued: Rooms['serverCertificates'], subject: string): void {
  if (issued.take(subject)) return;
  const detail = { retryAfterSeconds: 60 };
  throw new PortcullisError('rate_limited', `"${subject}" asks for certificates too often; wait a minute`, { detail });
}

async function streamFeed(
  rooms: Pick<Rooms, 'attributes' | 'feed' | 'journal' | 'revocation' | 'system' | 'log'>,
  call: Call<{ query: typeof FeedQuery }>,
) {
  const { attributes, feed } = rooms;
  const { query, peer, request, reply } = call;
  // What it may ask for has changed: it asks anew, and is judged by that.
  const stop = attributes.gateReads.onChange((gate) => gate === peer.subject && reply.raw.destroy());
  try {
    await attributes.gateReads.require(peer.subject, namesIn(query));
    const takes = acceptedInFeed(request.headers.accept);
    return await streamed(rooms, call, (write, signal) =>
      feed.follow(query, { gate: peer.subject, ...takes }, write, signal),
    );
  } finally {
    stop();
  }
}

const namesIn = ({ attributes }: z.infer<typeof FeedQuery>) => attributes.split(',').filter((name) => name !== '');
