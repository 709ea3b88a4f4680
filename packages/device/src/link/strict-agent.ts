import { X509Certificate } from 'node:crypto';
import { Agent, type AgentOptions } from 'node:https';
import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  type DetailedPeerCertificate,
  type TLSSocket,
} from 'node:tls';
import { type Kind, PortcullisError } from '@portcullis/contract';
import { subjectNamesIn } from './subject-names.ts';

export interface Trust {
  /** The fleet's roots in PEM: the only ones that are trusted. */
  roots: string;
  /** Given: the server's URI must be of this fleet. */
  fleet?: string | undefined;
  /** What the server must be: a gate can not pose as the authority. */
  role: Extract<Kind, 'authority' | 'gate'>;
  credential?: { key: string; certificate: string; issuer: string } | undefined;
}

const handshakeMs = 10_000;
const connectionsMax = 8;
/** Leaf, issuer, root, and one more for a root that another signed. */
const chainLengthMax = 4;

/**
 * Connections that are handed out only after the server was verified, so that no byte of a request goes to anybody else (P2):
 * chain to a root of the fleet, host name, role, TLS 1.3. Sessions are never resumed, since a resumed one skips these checks.
 */
export class StrictAgent extends Agent {
  readonly #trust: Trust;
  readonly #roots: X509Certificate[];
  readonly #handshaking = new Set<TLSSocket>();

  constructor(trust: Trust) {
    const options: AgentOptions = {
      keepAlive: true,
      maxCachedSessions: 0,
      maxSockets: connectionsMax,
      scheduling: 'lifo',
    };
    super(options);
    this.#trust = trust;
    this.#roots = certificatesIn(trust.roots);
    if (this.#roots.length === 0) throw new PortcullisError('credential_unusable', 'the trust bundle holds no root');
  }

  override createConnection(
    options: ConnectionOptions,
    done?: (error: Error | null, stream: Duplex) => void,
  ): undefined {
    const host = options.host ?? 'localhost';
    const socket = connect({ ...this.#connectionOptions(host), host, port: Number(options.port) });
    socket.setNoDelay(true);
    let settled = false;
    this.#handshaking.add(socket);
    const finish = (error: Error | null) => {
      if (settled) return;
      settled = true;
      this.#handshaking.delete(socket);
      socket.setTimeout(0);
      if (error) socket.destroy();
      done?.(error, socket);
    };
    socket.setTimeout(handshakeMs, () => finish(unverified(host, 'the handshake took too long')));
    socket.on('error', (error) => finish(handshakeFailure(error, host)));
    socket.on('close', () => finish(unreachable(host, 'the connection was closed during the handshake')));
    socket.on('secureConnect', () => {
      const why = this.#complaint(socket, host);
      finish(why === undefined ? null : unverified(host, why));
    });
    return undefined;
  }

  /** Also what is still in its handshake, which the agent does not know yet. */
  override destroy(): void {
    for (const socket of this.#handshaking) socket.destroy();
    super.destroy();
  }

  #connectionOptions(host: string): ConnectionOptions {
    const { roots, credential } = this.#trust;
    return {
      ca: roots,
      ...(credential && { key: credential.key, cert: credential.certificate + credential.issuer }),
      minVersion: 'TLSv1.3',
      ALPNProtocols: ['http/1.1'],
      // RFC 6066 §3: a server name is never an address.
      servername: isIP(host) ? '' : host,
      rejectUnauthorized: true,
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    };
  }

  /** What TLS was told to check is checked again on what it reports: a skipped check is seen here. */
  #complaint(socket: TLSSocket, host: string): string | undefined {
    if (!socket.encrypted || !socket.authorized) return 'TLS did not authorize the server';
    if (socket.isSessionReused()) return 'the session was resumed';
    if (socket.getProtocol() !== 'TLSv1.3') return `the protocol is ${socket.getProtocol()}`;
    const peer = socket.getPeerCertificate(true);
    if (peer.raw === undefined) return 'the server sent no certificate';
    return checkServerIdentity(host, peer)?.message ?? this.#roleComplaint(peer) ?? this.#chainComplaint(peer);
  }

  #roleComplaint({ subjectaltname }: DetailedPeerCertificate): string | undefined {
    const { fleet, role } = this.#trust;
    const names = subjectNamesIn(subjectaltname);
    const fits = names.some((name) => name.kind === role && (fleet === undefined || name.fleet === fleet));
    return fits ? undefined : `it is not the fleet's ${role} but [${subjectaltname ?? ''}]`;
  }

  /** From the leaf up, each signed by the next, to a root of the fleet. */
  #chainComplaint(peer: DetailedPeerCertificate): string | undefined {
    let last = new X509Certificate(peer.raw);
    let shown = peer;
    for (let depth = 0; depth < chainLengthMax; depth++) {
      const { fingerprint256 } = last;
      if (this.#roots.some((root) => root.fingerprint256 === fingerprint256 || signs(root, last))) return undefined;
      if (!shown.issuerCertificate?.raw || shown.issuerCertificate === shown) break;
      shown = shown.issuerCertificate;
      const issuer = new X509Certificate(shown.raw);
      if (!signs(issuer, last)) break;
      last = issuer;
    }
    return "its chain does not end at one of the fleet's roots";
  }
}

function signs(issuer: X509Certificate, subject: X509Certificate): boolean {
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function unverified(host: string, why: string, cause?: unknown): PortcullisError {
  const message = `"${host}" could not be verified: ${why}; nothing was sent`;
  return new PortcullisError('server_not_verified', message, { cause });
}

export function unreachable(host: string, why: string, cause?: unknown): PortcullisError {
  return new PortcullisError('server_unreachable', `"${host}" can not be reached: ${why}`, { cause });
}

const networkCodes = /^(ECONN|EHOST|ENET|EAI_|ENOTFOUND|ETIMEDOUT|EPIPE|EADDRNOTAVAIL|EACCES)/;
/** With a wrong clock nothing can be verified, and nothing is sent (FIELD-NOTES D7). */
const clockCodes = new Set(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']);

/** What went wrong before the server was verified. */
function handshakeFailure(error: Error, host: string): PortcullisError {
  const { code = '' } = error as NodeJS.ErrnoException;
  if (networkCodes.test(code)) return unreachable(host, code, error);
  const hint = clockCodes.has(code) ? " (is this machine's clock right?)" : '';
  return unverified(host, `${error.message}${hint}`, error);
}
