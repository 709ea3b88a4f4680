import { constants, hash } from 'node:crypto';
import type { Socket } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { PortcullisError } from '@portcullis/contract';
import { sessionField, type UnfinishedBytesTerms } from '../../bounds/bounds.ts';

/** What bounds a listener, whatever is spoken over it. */
export interface ListenerLimits extends UnfinishedBytesTerms {
  handshakeMs: number;
  pendingHandshakesMax: number;
  connectionsMax: number;
  connectionsPerCertificateMax: number;
  idleMs: number;
  requestMs: number;
  bodyBytesPerSecondMin: number;
}

/** A server certificate with its issuer and key, and whom it trusts: roots and issuers. All in PEM. */
export interface ServerCredential {
  key: string;
  certificate: string;
  trust: string;
}

export function secureOptionsOf({ key, certificate, trust }: ServerCredential) {
  if (!trust.includes('BEGIN CERTIFICATE')) {
    // With no list of its own, Node would take any certificate of a public authority (FIELD-NOTES B16).
    const message = 'the trust list is empty; a listener needs the roots and issuers of the fleet';
    throw new PortcullisError('config_invalid', message);
  }
  const { SSL_OP_NO_TICKET: secureOptions } = constants;
  return { key, cert: certificate, ca: trust, minVersion: 'TLSv1.3', secureOptions } as const;
}

/** A TLS socket is closed by the time its refusal is told and knows no address then; the TCP socket below it does. */
export function addressOf(socket: TLSSocket & { _parent?: Socket }): string {
  return socket.remoteAddress ?? socket._parent?.remoteAddress ?? '';
}

/** The leaf itself, not a flag or a name: a handshake without one, or a resumed one, gives no identity (FIELD-NOTES B2). */
export function fingerprintOf(socket: TLSSocket, session: Buffer | undefined): Buffer | undefined {
  try {
    if (!socket.authorized || socket.isSessionReused()) return undefined;
    // Not as X509Certificate, of which each keeps what came beside the leaf for ever (see `freePeerChains`).
    const leaf = sessionField(session, 'peer') ?? socket.getPeerCertificate().raw;
    return leaf && hash('sha256', leaf, 'buffer');
  } catch {
    return undefined;
  }
}
