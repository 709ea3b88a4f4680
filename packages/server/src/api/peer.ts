import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type Fingerprint, type Kind, PortcullisError, type SubjectId } from '@portcullis/contract';
import type { FastifyRequest } from 'fastify';
import type { By } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { Reader } from '../storage/storage.ts';
import type { System } from '../telemetry/telemetry.ts';

export interface Peer {
  subject: SubjectId;
  kind: Kind;
  fingerprint: Fingerprint;
  /** The end of its certificate, milliseconds since 1970. */
  notAfter: number;
}

interface Parts {
  revocation: Pick<Revocation, 'find'>;
  system: System;
}

/**
 * Who calls: the row of the leaf that was presented in this connection's handshake (P3). Its standing and validity are looked
 * at on each request, so that a cut holds on open connections too.
 * @throws {PortcullisError} `not_authenticated`, `kind_not_allowed`
 */
export async function requirePeer(
  parts: Parts,
  request: FastifyRequest,
  kinds: readonly Kind[],
  asked: Pick<Asked, 'changes'> = {},
): Promise<Peer> {
  return requireAdmitted(parts, fingerprintOf(request.raw.socket as TLSSocket), kinds, asked);
}

/** What this peer asks is done only if its certificate is still admitted when the change is its turn: no earlier revision cut it. */
export function byPeer(parts: Parts, { subject, fingerprint, kind }: Peer): By {
  return {
    actor: subject,
    person: kind === 'operator',
    async requireAllowed(db) {
      await requireAdmitted(parts, fingerprint, [kind], { db });
    },
  };
}

export const notAdmitted = () =>
  new PortcullisError('not_authenticated', 'the client certificate is not one that this fleet admits');

interface Asked {
  /** False: it only looks, which an operator that is read-only may too. */
  changes?: boolean;
  /** Within a transaction that is open, and as of it. */
  db?: Reader;
}

/** @throws {PortcullisError} `not_authenticated`, `kind_not_allowed` */
export async function requireAdmitted(
  { revocation, system }: Parts,
  fingerprint: string | undefined,
  kinds: readonly Kind[],
  { changes = true, db }: Asked = {},
): Promise<Peer> {
  const row = fingerprint === undefined ? undefined : await revocation.find(fingerprint, db);
  const now = system.now();
  if (row?.purpose !== 'client' || row.standing !== 'valid' || now < row.notBefore || now > row.notAfter) {
    throw notAdmitted();
  }
  if (!kinds.includes(row.kind)) {
    throw new PortcullisError('kind_not_allowed', `this route admits [${kinds.join(', ')}], not ${row.kind}`);
  }
  if (changes && row.readOnly === 1) {
    throw new PortcullisError(
      'kind_not_allowed',
      `"${row.subject}" is a read-only operator; this would change the fleet`,
    );
  }
  const { kind, notAfter } = row;
  return { subject: row.subject as SubjectId, kind, fingerprint: row.fingerprint as Fingerprint, notAfter };
}

/** Node takes a certificate apart anew each time it is asked: of all that judging a request costs, that is the most. */
const fingerprints = new WeakMap<TLSSocket, string>();

/** What was presented in the handshake holds for the connection: Node offers no authentication after it (RFC 8446 §4.6.2). */
function fingerprintOf(socket: TLSSocket): string | undefined {
  const known = fingerprints.get(socket);
  if (known !== undefined) return known;
  try {
    const { raw } = socket.getPeerCertificate();
    if (!socket.authorized || !raw) return undefined;
    const fingerprint = createHash('sha256').update(raw).digest('hex');
    fingerprints.set(socket, fingerprint);
    return fingerprint;
  } catch {
    return undefined;
  }
}
