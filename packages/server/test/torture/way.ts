/** How a lane gets a request to a gate: over each transport that a gate has, and what comes back as one kind of answer. */
import { X509Certificate } from 'node:crypto';
import { type IncomingMessage, request as plainRequest } from 'node:http';
import { Agent, request } from 'node:https';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Credential } from '@portcullis/device';
import type { Call } from './history.ts';

export interface Answer extends Pick<Call, 'status' | 'reason' | 'revision'> {
  /** What became of whoever carried it. */
  carried?: Pick<Call, 'status' | 'reason'>;
}

export interface Identity {
  credential: Credential;
  fingerprint: string;
  /** The name of who signed it. */
  issuer: string;
  context: SecureContext;
}

/** Where a gate is reached. */
export interface Place {
  name: string;
  url: string;
  mqttPort: number;
  coapPort: number;
  decideSocket: string;
}

/** One connection, made when it is needed. */
export interface Way {
  /** So many readings go in one request; none where it is only asked for. */
  readonly most: number;
  /** It tells who is refused; a transport that does not just ends. */
  readonly tells: boolean;
  send(ids: readonly string[]): Promise<Answer>;
  breakOff(): void;
  /** For good, where that is more. */
  close?(): void;
}

/** Longer than a gate is paused for. */
export const answerMsMax = 5_000;

export function identityOf(credential: Credential): Identity {
  const { key, certificate, issuer, roots } = credential;
  const { fingerprint256, issuer: signedBy } = new X509Certificate(certificate);
  return {
    credential,
    issuer: /^CN=(.*)$/m.exec(signedBy)?.[1] ?? '',
    fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    context: createSecureContext({ key, cert: certificate + issuer, ca: roots, minVersion: 'TLSv1.3' }),
  };
}

export const readingOf = (id: string) => ({ _id: id, temperature: id.length });

/** A connection that breaks, or takes too long, is an answer too: none. */
export async function orNone(asked: Promise<Answer>): Promise<Answer> {
  try {
    return await asked;
  } catch (error) {
    return { status: 0, reason: (error as NodeJS.ErrnoException).code ?? (error as Error).name };
  }
}

export class HttpWay implements Way {
  readonly most = 5;
  readonly tells = true;
  readonly #agent: Agent;
  readonly #url: string;

  constructor({ url }: Place, { context }: Identity) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: 1, secureContext: context, maxCachedSessions: 0 });
    this.#url = `${url}/v1/streams/telemetry/readings`;
  }

  send(ids: readonly string[]): Promise<Answer> {
    return orNone(this.#post(ids));
  }

  breakOff(): void {
    this.#agent.destroy();
  }

  async #post(ids: readonly string[]): Promise<Answer> {
    const body = ids.map((id) => JSON.stringify(readingOf(id))).join('\n');
    const type = ids.length > 1 ? 'application/x-ndjson' : 'application/json';
    const headers = { 'content-type': type, 'content-length': body.length };
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const signal = AbortSignal.timeout(answerMsMax);
      const options = { method: 'POST', agent: this.#agent, headers, signal };
      request(this.#url, options, resolve).on('error', reject).end(body);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    const said = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { reason?: string; revision?: number };
    const judgedAt = answer.statusCode === 202 && said.revision !== undefined ? { revision: said.revision } : {};
    return { status: answer.statusCode ?? 0, reason: said.reason ?? '', ...judgedAt };
  }
}

/** A proxy on the gate's machine: it asks of each request whether its certificate is admitted. */
export class AskingWay implements Way {
  readonly most = 0;
  readonly tells = true;
  readonly #socketPath: string;
  readonly #shown: string;

  constructor({ decideSocket }: Place, { credential }: Identity) {
    this.#socketPath = decideSocket;
    this.#shown = new X509Certificate(credential.certificate).raw.toString('base64');
  }

  send(): Promise<Answer> {
    return orNone(this.#ask());
  }

  breakOff(): void {}

  async #ask(): Promise<Answer> {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const where = { socketPath: this.#socketPath, path: '/v1/decide?stream=telemetry', agent: false };
      const headers = { 'client-cert': this.#shown };
      const signal = AbortSignal.timeout(answerMsMax);
      plainRequest({ ...where, headers, signal }, resolve)
        .on('error', reject)
        .end();
    });
    answer.resume();
    const code = String(answer.headers['portcullis-reason'] ?? '');
    if (answer.statusCode === 204) return { status: 202, reason: '' };
    if (code === 'replica_stale') return { status: 503, reason: code };
    // A standing is told without a lease too, here by its own name.
    const reason = code.startsWith('certificate_') ? 'not_admitted' : code;
    return { status: answer.statusCode ?? 0, reason };
  }
}
