import {
  CertificatesQuery,
  CertificateView,
  ChangeAnswer,
  Fingerprint,
  LeafAnswer,
  PortcullisError,
  page,
  StandingsQuery,
  StandingsRequest,
} from '@portcullis/contract';
import { z } from 'zod';
import { certificateView, type Revocation } from '../revocation/revocation.ts';
import { answerChange, changeBytesMax } from './changes.ts';
import { onCondition } from './on-condition.ts';
import { type Route, route } from './route.ts';

async function subjectsOf(
  revocation: Pick<Revocation, 'findEver'>,
  { subject, subjects, fingerprint }: StandingsRequest,
): Promise<readonly string[]> {
  const named = fingerprint === undefined ? subject : (await revocation.findEver(fingerprint))?.subject;
  return subjects ?? (named === undefined ? [] : [named]);
}

export const certificatesRoutes: readonly Route[] = [
  route({
    method: 'GET',
    path: '/v1/certificates',
    kinds: ['operator'],
    summary: 'Certificates: of one subject or of all, by kind and standing, those that end soon, or archived ones',
    uses: ['revocation'],
    schemas: { query: CertificatesQuery },
    answer: page(CertificateView),
    handle: ({ revocation }, { query }) => revocation.list(query),
  }),
  route({
    method: 'GET',
    path: '/v1/certificates/:fingerprint',
    kinds: ['operator'],
    summary: 'One certificate, also an archived one',
    uses: ['revocation'],
    schemas: { params: z.strictObject({ fingerprint: Fingerprint }) },
    answer: CertificateView,
    async handle({ revocation }, { params: { fingerprint } }) {
      const row = await revocation.findEver(fingerprint);
      if (!row) throw new PortcullisError('certificate_unknown', `the fleet has no certificate "${fingerprint}"`);
      return certificateView(row);
    },
  }),
  route({
    method: 'GET',
    path: '/v1/certificates/:fingerprint/leaf',
    kinds: ['operator', 'gate'],
    summary: 'The bytes of one certificate, for whoever checks what its key signed',
    uses: ['revocation'],
    schemas: { params: z.strictObject({ fingerprint: Fingerprint }) },
    answer: LeafAnswer,
    async handle({ revocation }, { params: { fingerprint } }) {
      const row = await revocation.findEver(fingerprint);
      // A key credential has no bytes that anybody may see.
      if (row?.form !== 'certificate')
        throw new PortcullisError('certificate_unknown', `the fleet has no certificate "${fingerprint}"`);
      return { certificate: Buffer.from(row.der).toString('base64') };
    },
  }),
  route({
    method: 'POST',
    path: '/v1/standings',
    kinds: ['operator'],
    summary: 'Suspends, resumes or revokes',
    uses: ['revocation', 'attributes', 'desks', 'feed', 'signals'],
    schemas: { query: StandingsQuery, body: StandingsRequest },
    answer: ChangeAnswer,
    once: true,
    bodyBytesMax: changeBytesMax,
    async handle({ revocation, attributes, desks, feed, signals }, { query, body, by }) {
      const done = await revocation.change(onCondition(by, body, { attributes, revocation }), body);
      const heldBy = body.action === 'revoke' ? [] : await signals.heldBy(await subjectsOf(revocation, body), ['']);
      const { wait, waitLimitMs } = query;
      const [answer, told] = await Promise.all([
        answerChange(feed, done, { waitLimitMs, ...(wait && { wait: 'all' }) }, body),
        wait === 'public' && !body.dryRun ? desks.applied(done.revision, waitLimitMs) : undefined,
      ]);
      return { ...answer, ...(heldBy.length > 0 && { heldBy }), ...(told && { desks: told }) };
    },
  }),
];
