/** A list of what a root revoked, made on the root's own machine, which remembers what it needs to make the next one. */
import { PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import { fromPem, isSignedBy, listBytesMax, makeList, readCertificate } from '../pki/pki.ts';
import type { System } from '../telemetry/telemetry.ts';
import { wholeSecond } from './issue.ts';
import type { Root } from './root.ts';

/** What is on the newest list. */
export const RootListState = z.strictObject({
  number: z.int().min(0),
  revoked: z.array(z.strictObject({ serial: z.string().regex(/^[0-9a-f]{2,64}$/), revokedAt: z.int().min(0) })),
});
export type RootListState = z.infer<typeof RootListState>;

const day = 86_400_000;
/** It is carried by hand: once a year. */
export const rootListDays = { usual: 365, max: 3_650 } as const;
/** OpenSSL refuses a list of the future, however near (FINDINGS C). */
const backdateMs = 300_000;

/** `certificates`: in PEM, each one that this root signed. @throws {PortcullisError} `file_unusable` */
export function withRevoked(
  state: RootListState,
  { certificates, root, now }: { certificates: readonly string[]; root: Root; now: number },
): RootListState {
  const revoked = new Map(state.revoked.map((one) => [one.serial, one]));
  for (const text of certificates) {
    const [der, ...more] = fromPem('CERTIFICATE', text);
    if (!der || more.length > 0) throw unusable('a file of what is revoked must hold one certificate in PEM');
    const { subject, serial } = readCertificate(der);
    if (serial === readCertificate(root.certificate).serial) throw unusable('a root is not on its own list');
    if (!isSignedBy(der, root.certificate)) throw unusable(`"${root.name}" did not sign "${subject}"`);
    if (!revoked.has(serial)) revoked.set(serial, { serial, revokedAt: wholeSecond(now) });
  }
  return { ...state, revoked: [...revoked.values()] };
}

/** @throws {PortcullisError} `file_unusable` where it would be too long to be taken */
export async function makeRootList(
  root: Root,
  { number, revoked }: RootListState,
  { days, system }: { days: number; system: Pick<System, 'now'> },
): Promise<{ der: Buffer; nextUpdate: number }> {
  const { certificate: issuerCertificate, signer, notAfter } = root;
  const now = system.now();
  const nextUpdate = wholeSecond(Math.min(now + days * day, notAfter));
  const entries = revoked.map(({ serial, revokedAt }) => ({ serial: Buffer.from(serial, 'hex'), revokedAt }));
  const times = { thisUpdate: wholeSecond(now - backdateMs), nextUpdate };
  const der = await makeList({ issuerCertificate, number, ...times, entries }, signer);
  if (der.length > listBytesMax) throw unusable(`a list of ${entries.length} is too long`);
  return { der, nextUpdate };
}

const unusable = (why: string) => new PortcullisError('file_unusable', why);
