import type { IncomingMessage } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { DetailedPeerCertificate, TLSSocket } from 'node:tls';
import { type EstAnswer, type EstBodies, type EstRequest, failures, PortcullisError } from '@portcullis/contract';
import type { System } from '../telemetry/telemetry.ts';
import type { Told } from './answering.ts';
import type { EstRefused } from './est-asking.ts';
import type { EstRefusals } from './est-refusals.ts';
import { pathOf, requireMethod, requireType } from './front.ts';
import { bodyOf, type Relaying } from './relaying.ts';

interface Parts {
  relaying: Pick<Relaying, 'taken'>;
  /** @throws {PortcullisError} `authority_unreachable` */
  ask(from: string, asked: EstRequest): Promise<EstAnswer | EstRefused>;
  /** @throws {PortcullisError} `authority_unreachable` */
  bodies(): Promise<EstBodies>;
  refusals: Pick<EstRefusals, 'note'>;
  system: Pick<System, 'monotonic'>;
}

const bodyBytesMax = 20 * 1024;
/** So long the first answer waits for an operator, who is asked for it at the same time, before it is "not yet". */
const heldMs = 28_000;
const lookEveryMs = 3_000;
const heldMax = 64;
/** Whole seconds: a date counts as none (FINDINGS B3). */
const retryAfterSeconds = 60;
const certificatesMax = 6;

const base = '/.well-known/est/';
const operations: Record<string, EstRequest['operation']> = { simpleenroll: 'enrol', simplereenroll: 'renew' };
const missing: Record<EstRequest['operation'], string> = {
  enrol: 'give the subject and the secret of its token, or use a client certificate',
  renew: 'use the client certificate that is to be renewed; a token renews nothing',
};
const bodies: Record<string, { body: keyof EstBodies; type: string }> = {
  cacerts: { body: 'cacerts', type: 'application/pkcs7-mime' },
  csrattrs: { body: 'csrattrs', type: 'application/csrattrs' },
};

/** EST (RFC 7030): requests as they come ↔ what the authority is asked. Nothing is judged here but form. */
export class EstDoor {
  readonly #parts: Parts;
  #held = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  async answer(request: IncomingMessage): Promise<Told> {
    try {
      return await this.#answered(request);
    } catch (error) {
      if (isRefusal(error)) this.#parts.refusals.note(request, error, basicOf(request)?.user);
      throw error;
    }
  }

  async #answered(request: IncomingMessage): Promise<Told> {
    const path = pathOf(request);
    const name = path.startsWith(base) ? path.slice(base.length) : '';
    const told = Object.hasOwn(bodies, name) ? bodies[name] : undefined;
    if (told) {
      requireMethod(request, path, 'GET');
      return answerOf((await this.#parts.bodies())[told.body], told.type);
    }
    if (!Object.hasOwn(operations, name)) throw unknown(name);
    requireMethod(request, path, 'POST');
    const operation = operations[name] as EstRequest['operation'];
    const who = whoAsks(request, operation);
    if (!who) return this.#unauthenticated(request, operation);
    requireType(request, 'application/pkcs10');
    const body = (await bodyOf(request, bodyBytesMax)).toString('base64');
    return this.#settled(request, { operation, body, ...who });
  }

  async #settled(request: IncomingMessage, asked: EstRequest): Promise<Told> {
    const from = request.socket.remoteAddress ?? '';
    const ask = () => this.#parts.relaying.taken(request, from, () => this.#parts.ask(from, asked));
    const answer = await ask();
    if ('state' in answer && answer.state === 'pending' && answer.isNew)
      return this.#told(request, await this.#waited(request, ask), asked);
    return this.#told(request, answer, asked);
  }

  #unauthenticated(request: IncomingMessage, operation: EstRequest['operation']): Told {
    const message = missing[operation];
    this.#parts.refusals.note(request, { code: 'not_authenticated', message });
    return unauthenticated(message);
  }

  #told(request: IncomingMessage, answer: EstAnswer | EstRefused, { basic }: EstRequest): Told {
    if ('refusal' in answer) {
      this.#parts.refusals.note(request, answer.refusal, basic?.user);
      // RFC 7235 §2.1: another secret may do. Whatever else is refused stays so with any.
      return answer.refusal.code === 'token_refused' ? unauthenticated(answer.refusal.message) : answer.told;
    }
    if (answer.state === 'issued') return answerOf(answer.body, 'application/pkcs7-mime; smime-type=certs-only');
    const headers = { 'retry-after': String(retryAfterSeconds), 'content-type': 'text/plain' };
    return { status: 202, headers, body: 'it waits for an operator to approve it; ask the same again\n' };
  }

  /** Whoever asks by hand is approved by hand: often within the time that every client waits. */
  async #waited(request: IncomingMessage, ask: () => Promise<EstAnswer | EstRefused>): Promise<EstAnswer | EstRefused> {
    const pending = { state: 'pending', isNew: false } as const;
    if (this.#held >= heldMax) return pending;
    this.#held++;
    try {
      const until = this.#parts.system.monotonic() + heldMs;
      while (this.#parts.system.monotonic() + lookEveryMs < until && !request.socket.destroyed) {
        await pause(lookEveryMs, undefined, { ref: false });
        const answer = await ask();
        if (!('state' in answer) || answer.state !== 'pending') return answer;
      }
      return pending;
    } finally {
      this.#held--;
    }
  }
}

/** What the desk itself could not do is in the log already. */
function isRefusal(error: unknown): error is PortcullisError {
  return error instanceof PortcullisError && (failures[error.code].status < 500 || error.code === 'desk_busy');
}

function unknown(name: string): PortcullisError {
  if (name === 'serverkeygen')
    return new PortcullisError(
      'route_unknown',
      'a key is made where it is used, and never travels: make one, and use simpleenroll',
    );
  const known = [...Object.keys(bodies), ...Object.keys(operations)].join(', ');
  return new PortcullisError('route_unknown', `there is no such operation; there are [${known}] below ${base}`);
}

function whoAsks(
  request: IncomingMessage,
  operation: EstRequest['operation'],
): Pick<EstRequest, 'basic' | 'chain'> | undefined {
  const basic = operation === 'enrol' ? basicOf(request) : undefined;
  if (basic) return { basic };
  const chain = chainOf(request.socket as TLSSocket);
  return chain.length > 0 ? { chain } : undefined;
}

const basicMax = 512;

/** RFC 7617. What is not of that form is none. */
function basicOf({ headers }: IncomingMessage): EstRequest['basic'] {
  const [, encoded] = /^basic +([A-Za-z0-9+/]+={0,2})$/i.exec(headers.authorization?.slice(0, basicMax) ?? '') ?? [];
  const [, user, password] =
    /^([^:]{1,256}):(.{1,256})$/.exec(Buffer.from(encoded ?? '', 'base64').toString('utf8')) ?? [];
  return user !== undefined && password !== undefined ? { user, password } : undefined;
}

/** The leaf first, and each one's issuer after it, as far as it was presented or is trusted here. Not by the call that leaks what was presented (`freePeerChains`). */
function chainOf(socket: TLSSocket): string[] {
  const chain: string[] = [];
  let one: DetailedPeerCertificate | undefined = socket.getPeerCertificate(true);
  while (one?.raw && chain.length < certificatesMax) {
    const der = one.raw.toString('base64');
    if (chain.includes(der)) break;
    chain.push(der);
    one = one.issuerCertificate;
  }
  return chain;
}

function answerOf(body: string, type: string): Told {
  return { status: 200, headers: { 'content-type': type, 'content-transfer-encoding': 'base64' }, body };
}

/** Each has the way that there is (FINDINGS B6). */
function unauthenticated(words: string): Told {
  const headers = { 'www-authenticate': 'Basic realm="portcullis"', 'content-type': 'text/plain', connection: 'close' };
  return { status: 401, headers, body: `${words}\n` };
}
