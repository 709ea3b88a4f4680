import { X509Certificate } from 'node:crypto';
import { isIP, type Socket } from 'node:net';
import {
  type ConnectionOptions,
  checkServerIdentity,
  connect,
  createSecureContext,
  type DetailedPeerCertificate,
  type SecureContext,
  type TLSSocket,
} from 'node:tls';
import { type Kind, PortcullisError } from '@portcullis/contract';
import { complaintAt } from './chain-at.ts';
import { dial, type Network } from './dial.ts';
import { requireSafeEnvironment } from './environment.ts';
import type { Moment } from './moment.ts';
import { inRoom, isByTpm, isInTpm, keyFailure } from './private-key.ts';
import { subjectNamesIn } from './subject-names.ts';

export interface Trust {
  /** The fleet's roots in PEM: the only ones that are trusted. */
  roots: string;
  /** Given: the server's URI must be of this fleet. */
  fleet?: string | undefined;
  /** What the server must be: a gate can not pose as the authority. `enroller`: the authority, or a desk that relays to it. */
  role: Extract<Kind, 'authority' | 'gate'> | 'enroller';
  /** All addresses where one of several such servers answers at a time, first the one that is asked by. */
  addresses?: readonly string[] | undefined;
  /** Whoever does not lead and says which of `addresses` does is believed once; left out: they are asked in their order. */
  follows?: boolean | undefined;
  /** `notAfter`: RFC 3339; given, a failure after it says that this side's certificate has expired. */
  /**
   * When the system's clock is known to be wrong: the time to judge by, or between which times it is. Undefined, or none given: the
   * system's.
   */
  moment?: (() => Moment | undefined) | undefined;
  credential?: { key: string; certificate: string; issuer: string; notAfter?: string | undefined } | undefined;
}

const kindsOf = (role: Trust['role']): readonly Kind[] => (role === 'enroller' ? ['authority', 'desk'] : [role]);

/** From the name to a verified server, over whatever address. */
const handshakeMs = 20_000;
/** Leaf, issuer, root, and one more for a root that another signed. */
const chainLengthMax = 4;

export interface Verified {
  socket: TLSSocket;
  /** The connection below it. */
  below: Socket;
}

/**
 * Connections that are handed out only after the server was verified, so that no byte of a request goes to anybody else (P2):
 * chain to a root of the fleet, host name, role, TLS 1.3. Sessions are never resumed, since a resumed one skips these checks.
 */
export class StrictConnector {
  readonly #trust: Trust;
  readonly #roots: X509Certificate[];
  readonly #network: Network;
  readonly #protocol: string;
  /** How to end each connection that is not verified yet. */
  readonly #connecting = new Set<() => void>();
  /** One for all connections: it has the key, of which a TPM can hold only some at once. */
  #context: SecureContext | undefined;

  /**
   * `protocol`: as it is registered for RFC 7301, so that no server of another one takes it.
   * @throws {PortcullisError} `environment_refused`, `credential_unusable`
   */
  constructor(trust: Trust, network: Network, protocol: 'http/1.1' | 'mqtt') {
    requireSafeEnvironment(process.env, process.versions.node);
    this.#trust = trust;
    this.#network = network;
    this.#protocol = protocol;
    this.#roots = certificatesIn(trust.roots);
    if (this.#roots.length === 0) throw new PortcullisError('credential_unusable', 'the trust bundle holds no root');
  }

  /** @throws {PortcullisError} `server_unreachable`, `server_not_verified`, `key_unusable` */
  async connect(host: string, port: number): Promise<Verified> {
    const where = addressOf(host, port);
    const bound = new AbortController();
    const end = (why: string) => bound.abort(unreachable(where, why));
    const close = () => end('the link was closed');
    const timer = setTimeout(() => end(`no verified connection within ${handshakeMs / 1000} s`), handshakeMs);
    this.#connecting.add(close);
    try {
      return await this.#connect(host, port, bound.signal);
    } catch (error) {
      // Whatever the TPM lost is loaded again for the next connection.
      this.#context = undefined;
      throw handshakeFailure(error as Error, where, this.#isInTpm);
    } finally {
      clearTimeout(timer);
      this.#connecting.delete(close);
    }
  }

  /** Ends what is still in its handshake. */
  close(): void {
    for (const close of this.#connecting) close();
  }

  async #connect(host: string, port: number, signal: AbortSignal): Promise<Verified> {
    const where = addressOf(host, port);
    const below = await dial(host, port, this.#network, signal).catch((error: NodeJS.ErrnoException) => {
      throw error instanceof PortcullisError ? error : unreachable(where, error.code ?? error.message, error);
    });
    below.setNoDelay(true);
    const moment = this.#trust.moment?.();
    const socket = connect({ ...this.#connectionOptions(host, moment), host, socket: below });
    await secured(socket, where, signal);
    const why = this.#complaint(socket, host, moment);
    if (why === undefined) return { socket, below };
    socket.destroy();
    throw unverified(where, why);
  }

  #connectionOptions(host: string, moment: Moment | undefined): ConnectionOptions {
    this.#context ??= this.#makeContext();
    return {
      secureContext: this.#context,
      ALPNProtocols: [this.#protocol],
      // RFC 6066 §3: a server name is never an address.
      servername: isIP(host) ? '' : host,
      // OpenSSL judges by the system's clock. Where that is wrong what it says of time is judged anew, with all else, before a byte is sent.
      rejectUnauthorized: moment === undefined,
      checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate),
    };
  }

  get #isInTpm(): boolean {
    const { credential } = this.#trust;
    return credential !== undefined && isInTpm(credential.key);
  }

  #makeContext(): SecureContext {
    const { roots, credential } = this.#trust;
    const pair = credential && { key: credential.key, cert: credential.certificate + credential.issuer };
    return inRoom(this.#isInTpm, () => createSecureContext({ ca: roots, ...pair, minVersion: 'TLSv1.3' }));
  }

  /** What TLS was told to check is checked again on what it reports: a skipped check is seen here. */
  #complaint(socket: TLSSocket, host: string, moment: Moment | undefined): string | undefined {
    if (!socket.encrypted || !isAuthorized(socket, moment)) return 'TLS did not authorize the server';
    if (socket.isSessionReused()) return 'the session was resumed';
    if (socket.getProtocol() !== 'TLSv1.3') return `the protocol is ${socket.getProtocol()}`;
    const peer = socket.getPeerCertificate(true);
    if (peer.raw === undefined) return 'the server sent no certificate';
    return checkServerIdentity(host, peer)?.message ?? this.#roleComplaint(peer) ?? this.#chainComplaint(peer, moment);
  }

  #roleComplaint({ subjectaltname }: DetailedPeerCertificate): string | undefined {
    const { fleet, role } = this.#trust;
    const wanted = kindsOf(role);
    const names = subjectNamesIn(subjectaltname);
    const fits = names.some((name) => wanted.includes(name.kind) && (fleet === undefined || name.fleet === fleet));
    return fits ? undefined : `it is not the fleet's ${wanted.join(' or ')} but [${subjectaltname ?? ''}]`;
  }

  /** From the leaf up, each signed by the next, to a root of the fleet. */
  #chainComplaint(peer: DetailedPeerCertificate, moment: Moment | undefined): string | undefined {
    let last = new X509Certificate(peer.raw);
    let shown = peer;
    const chain = [last];
    for (let depth = 0; depth < chainLengthMax; depth++) {
      const { fingerprint256 } = last;
      const root = this.#roots.find((one) => one.fingerprint256 === fingerprint256 || signs(one, last));
      if (root) return moment && complaintAt([...chain.filter((one) => !isSame(one, root)), root], moment);
      if (!shown.issuerCertificate?.raw || shown.issuerCertificate === shown) break;
      shown = shown.issuerCertificate;
      const issuer = new X509Certificate(shown.raw);
      if (!signs(issuer, last)) break;
      last = issuer;
      chain.push(issuer);
    }
    return "its chain does not end at one of the fleet's roots";
  }
}

/** Resolves once TLS has verified the server; a connection that comes to nothing is destroyed. */
function secured(socket: TLSSocket, where: string, signal: AbortSignal): Promise<void> {
  return new Promise<void>((resolve, reject) => {
    const abort = () => fail(signal.reason as Error);
    const fail = (error: Error) => {
      signal.removeEventListener('abort', abort);
      socket.destroy();
      reject(error);
    };
    socket.on('error', fail);
    socket.once('close', () => fail(unreachable(where, 'the connection was closed during the handshake')));
    socket.once('secureConnect', () => {
      signal.removeEventListener('abort', abort);
      resolve();
    });
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });
}

const isSame = (one: X509Certificate, other: X509Certificate) => one.fingerprint256 === other.fingerprint256;

function signs(issuer: X509Certificate, subject: X509Certificate): boolean {
  return subject.checkIssued(issuer) && subject.verify(issuer.publicKey);
}

function certificatesIn(pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? [];
  return blocks.map((block) => new X509Certificate(block));
}

function unverified(where: string, why: string, cause?: unknown, detail = {}): PortcullisError {
  const message = `"${where}" could not be verified: ${why}; nothing was sent`;
  return new PortcullisError('server_not_verified', message, { cause, detail });
}

/** `begun`: of a request something had been sent, so that it may have been heeded, and tells something of the link. */
export function unreachable(where: string, why: string, cause?: unknown, begun = false): PortcullisError {
  const question = questions.find(([codes]) => codes.test(why))?.[1];
  const message = `"${where}" can not be reached: ${why}${question === undefined ? '' : `; ${question}`}`;
  return new PortcullisError('server_unreachable', message, { cause, detail: { begun } });
}

/** What to look at first, by what the network said. */
const questions: [RegExp, string][] = [
  [/^ECONNREFUSED/, 'is it running?'],
  [/^(ENOTFOUND|EAI_|EADDRNOTAVAIL)/, 'is the name right, and is there a network?'],
  [/^(EHOST|ENET)/, 'is there a network?'],
  [/^(ETIMEDOUT|no verified connection)/, 'is it running, and does every firewall let it through?'],
];

/** Host and port, as in a URL. */
export function addressOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

const networkCodes = /^(ECONN|EHOST|ENET|EAI_|ENOTFOUND|ETIMEDOUT|EPIPE|EADDRNOTAVAIL|EACCES)/;
/** By a wrong clock nothing can be verified, and nothing is sent (FIELD-NOTES D7). */
const clockCodes = new Set(['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED']);

/** By OpenSSL; where it judged by a clock that is wrong, its word on the time counts for nothing. */
function isAuthorized({ authorized, authorizationError }: TLSSocket, moment: Moment | undefined): boolean {
  // Node says its code, whatever its types say.
  return authorized || (moment !== undefined && clockCodes.has(String(authorizationError)));
}

/** Whether it failed by time alone, as far as OpenSSL told: the system's clock may be wrong. */
export function isByClock(error: unknown): boolean {
  return error instanceof PortcullisError && error.code === 'server_not_verified' && error.detail.clock === true;
}

/** What went wrong before the server was verified. */
function handshakeFailure(error: Error, where: string, isHere: boolean): PortcullisError {
  if (error instanceof PortcullisError) return error;
  if (isByTpm(error)) return keyFailure(error, isHere);
  const { code = '' } = error as NodeJS.ErrnoException;
  if (networkCodes.test(code)) return unreachable(where, code, error);
  if (!clockCodes.has(code)) return unverified(where, error.message, error);
  return unverified(where, `${error.message} (is this machine's clock right?)`, error, { clock: true });
}

/** What goes wrong after the server was verified. TLS 1.3 lets a server refuse the client's certificate only then (FIELD-NOTES B4). */
export function brokenConnection(error: Error, host: string, begun: boolean): PortcullisError {
  if (error instanceof PortcullisError) return error;
  const { code = error.name } = error as NodeJS.ErrnoException;
  if (!/ALERT/.test(code)) return unreachable(host, `the connection broke (${code})`, error, begun);
  const alert = code
    .replace(/^ERR_SSL_(TLSV1|TLSV13|SSLV3)_ALERT_/, '')
    .toLowerCase()
    .replaceAll('_', ' ');
  const message = `"${host}" refused this certificate in the handshake: ${alert}`;
  return new PortcullisError('not_authenticated', message, { cause: error });
}
