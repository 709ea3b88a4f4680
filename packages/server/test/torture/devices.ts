/** The load: each device keeps a connection to each gate and sends over it, one request after another, each with ids of its own. */
import { X509Certificate } from 'node:crypto';
import { setMaxListeners } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { Agent, request } from 'node:https';
import { setTimeout as pause } from 'node:timers/promises';
import { createSecureContext, type SecureContext } from 'node:tls';
import type { Credential } from '@portcullis/device';
import { Schedule } from '../simulation/schedule.ts';
import type { Call } from './history.ts';

interface LoadParts {
  devices: readonly Credential[];
  gates: readonly { name: string; url: string }[];
  /** Requests of all together, when nothing is refused. */
  perSecond: number;
  seed: number;
  /** Makes ids unlike those of other runs. */
  label: string;
}

/** Longer than a gate is paused for. */
const answerMsMax = 5_000;
const recoveryMsMax = 20_000;
const triedAgainMs = [400, 1_200] as const;
/** Nobody listens there: the process has to start first. */
const unreachedTriedAgainMs = [1_000, 3_000] as const;

export class Load {
  readonly calls: Call[] = [];
  readonly #lanes: Lane[];
  readonly #stop = new AbortController();
  #running: Promise<unknown> = Promise.resolve();

  constructor({ devices, gates, perSecond, seed, label }: LoadParts) {
    setMaxListeners(0, this.#stop.signal);
    const restMs = (devices.length * gates.length * 1_000) / perSecond;
    this.#lanes = devices.flatMap((device, index) => {
      const identity = identityOf(device);
      return gates.map((gate, which) => {
        const chance = new Schedule(seed * 100_000 + index * 16 + which);
        return new Lane({ subject: device.subject, gate, identity, chance, label, restMs, calls: this.calls });
      });
    });
  }

  /** From its next request on, each lane of the subject that is picked sends with this pair. */
  use(credential: Credential, picked: (lane: number) => boolean): void {
    const identity = identityOf(credential);
    const ofSubject = this.#lanes.filter(({ subject }) => subject === credential.subject);
    for (const [index, lane] of ofSubject.entries()) if (picked(index)) lane.use(identity);
  }

  /** Every connection breaks at once, and all come back. */
  storm(): void {
    for (const lane of this.#lanes) lane.breakOff();
  }

  start(): void {
    this.#running = Promise.all(this.#lanes.map((lane) => lane.run(this.#stop.signal)));
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  /** What each lane still has is decided now: nothing is wrong any more. Resolves to those that a gate decides nothing for. */
  async finish(): Promise<Call[]> {
    const last = await Promise.all(this.#lanes.map((lane) => lane.finish()));
    for (const lane of this.#lanes) lane.close();
    return last.filter(({ status }) => status === 0 || status === 503);
  }
}

interface Identity {
  fingerprint: string;
  context: SecureContext;
}

function identityOf({ key, certificate, issuer, roots }: Credential): Identity {
  const { fingerprint256 } = new X509Certificate(certificate);
  return {
    fingerprint: fingerprint256.replaceAll(':', '').toLowerCase(),
    context: createSecureContext({ key, cert: certificate + issuer, ca: roots, minVersion: 'TLSv1.3' }),
  };
}

interface LaneParts {
  subject: string;
  gate: { name: string; url: string };
  identity: Identity;
  chance: Schedule;
  label: string;
  restMs: number;
  calls: Call[];
}

class Lane {
  readonly #parts: LaneParts;
  #agent: Agent;
  #identity: Identity;
  #next: Identity | undefined;
  #number = 0;
  /** Sent, and not known to be acknowledged: the next request repeats it. */
  #pending: string[] = [];

  constructor(parts: LaneParts) {
    this.#parts = parts;
    this.#identity = parts.identity;
    this.#agent = agentOf(parts.identity);
  }

  get subject(): string {
    return this.#parts.subject;
  }

  use(identity: Identity): void {
    this.#next = identity;
  }

  breakOff(): void {
    this.#agent.destroy();
  }

  async run(signal: AbortSignal): Promise<void> {
    const { chance, restMs } = this.#parts;
    const rest = (milliseconds: number) => pause(milliseconds, undefined, { signal }).catch(() => undefined);
    await rest(chance.between(0, restMs));
    while (!signal.aborted) {
      const { status, reason } = await this.#send();
      const [least, most] = reason === 'ECONNREFUSED' ? unreachedTriedAgainMs : triedAgainMs;
      await rest(status === 202 ? chance.between(0, 2 * restMs) : chance.between(least, most));
    }
  }

  async finish(): Promise<Call> {
    const end = performance.now() + recoveryMsMax;
    for (;;) {
      const call = await this.#send();
      if (call.status === 202 || call.status === 403 || performance.now() > end) return call;
      await pause(200);
    }
  }

  close(): void {
    this.#agent.destroy();
  }

  async #send(): Promise<Call> {
    const { subject, gate, chance, calls } = this.#parts;
    this.#adopt();
    const { fingerprint: certificate } = this.#identity;
    if (this.#pending.length === 0) this.#pending = this.#newIds();
    const ids = this.#pending;
    const begin = performance.now();
    const answer = await post(`${gate.url}/v1/streams/telemetry/readings`, this.#agent, ids);
    const call = { gate: gate.name, subject, certificate, ids, begin, end: performance.now(), ...answer };
    calls.push(call);
    // A refused one is given up as often as it is tried again.
    if (call.status === 202 || (call.status === 403 && chance.chance() < 0.5)) this.#pending = [];
    return call;
  }

  #adopt(): void {
    if (!this.#next) return;
    this.#agent.destroy();
    this.#identity = this.#next;
    this.#next = undefined;
    this.#agent = agentOf(this.#identity);
  }

  /** Most requests carry one reading, some carry several. */
  #newIds(): string[] {
    const { chance, label, subject } = this.#parts;
    const many = chance.chance() < 0.9 ? 1 : Math.ceil(chance.between(1, 5));
    return Array.from({ length: many }, () => `${label}-${subject}-${++this.#number}`);
  }
}

const agentOf = ({ context }: Identity) =>
  new Agent({ keepAlive: true, maxSockets: 1, secureContext: context, maxCachedSessions: 0 });

type Answer = Pick<Call, 'status' | 'reason' | 'revision'>;

/** A connection that breaks, or takes too long, is an answer too: none. */
async function post(url: string, agent: Agent, ids: string[]): Promise<Answer> {
  const body = ids.map((id) => JSON.stringify({ _id: id, temperature: id.length })).join('\n');
  const type = ids.length > 1 ? 'application/x-ndjson' : 'application/json';
  const headers = { 'content-type': type, 'content-length': body.length };
  try {
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      const signal = AbortSignal.timeout(answerMsMax);
      request(url, { method: 'POST', agent, headers, signal }, resolve).on('error', reject).end(body);
    });
    const chunks: Buffer[] = [];
    for await (const chunk of answer as AsyncIterable<Buffer>) chunks.push(chunk);
    const said = JSON.parse(Buffer.concat(chunks).toString('utf8')) as { reason?: string; revision?: number };
    const judgedAt = answer.statusCode === 202 && said.revision !== undefined ? { revision: said.revision } : {};
    return { status: answer.statusCode ?? 0, reason: said.reason ?? '', ...judgedAt };
  } catch (error) {
    return { status: 0, reason: (error as NodeJS.ErrnoException).code ?? (error as Error).name };
  }
}
