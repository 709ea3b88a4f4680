import { createHash } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import { type Fingerprint, type Kind, PortcullisError, type SubjectId } from '@portcullis/contract';
import type { FastifyRequest } from 'fastify';
import type { Revocation } from '../revocation/revocation.ts';
import type { System } from '../telemetry/telemetry.ts';

export interface Peer {
  subject: SubjectId;
  kind: Kind;
  fingerprint: Fingerprint;
}

/**
 * Who calls: the row of the leaf that was presented in this connection's handshake (P3). Its standing and validity are looked
 * at on each request, so that a cut holds on open connections too.
 * @throws {PortcullisError} `not_authenticated`, `kind_not_allowed`
 */
export async function requirePeer(
  parts: { revocation: Revocation; system: System },
  request: FastifyRequest,
  kinds: readonly Kind[],
): Promise<Peer> {
  const fingerprint = fingerprintOf(request.raw.socket as TLSSocket);
  const row = fingerprint === undefined ? undefined : await parts.revocation.find(fingerprint);
  const now = parts.system.now();
  if (row?.purpose !== 'client' || row.standing !== 'valid' || now < row.notBefore || now > row.notAfter) {
    throw new PortcullisError('not_authenticated', 'the client certificate is not one that this fleet admits');
  }
  if (!kinds.includes(row.kind)) {
    throw new PortcullisError('kind_not_allowed', `this route admits [${kinds.join(', ')}], not ${row.kind}`);
  }
  return { subject: row.subject as SubjectId, kind: row.kind, fingerprint: row.fingerprint as Fingerprint };
}

function fingerprintOf(socket: TLSSocket): string | undefined {
  try {
    const { raw } = socket.getPeerCertificate();
    return socket.authorized && raw ? createHash('sha256').update(raw).digest('hex') : undefined;
  } catch {
    return undefined;
  }
}
