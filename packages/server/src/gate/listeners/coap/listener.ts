import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { type Crowd, listenFailure } from '../../../bounds/bounds.ts';
import { contextMark } from '../../../pki/pki.ts';
import type { Replica } from '../../../replica/replica.ts';
import type { Log, System } from '../../../telemetry/telemetry.ts';
import type { Connections } from '../../connections/connections.ts';
import type { OpenListener } from '../listeners.ts';
import type { SubmissionParts } from '../submission.ts';
import { Challenges } from './challenges.ts';
import { Endpoint, type Outcome, type Remote } from './endpoint.ts';
import { KeyContexts } from './key-contexts.ts';
import { type ContextOf, Openings } from './openings.ts';
import { judgeRequest } from './reading-request.ts';

export interface CoapParts extends Omit<SubmissionParts, 'now'> {
  /** Its subject. */
  gate: string;
  connections: Connections;
  contextOf: ContextOf;
  /** What the authority calls a key credential: its row in the replica. */
  nameOf(keyId: Buffer): Buffer;
  contextsMax: number;
  host: string;
  port: number;
  system: System;
  log: Log;
}

/** What is being answered when the gate stops has so long. */
const closeMs = 1_000;
/** As many datagrams as come at once after a gate was started; the kernel gives what it allows. */
const receiveBufferBytes = 4_194_304;
/** Answers that the network does not take are not kept. */
const sendQueueBytesMax = 1_048_576;
const tellMs = 60_000;

/** CoAP over UDP, protected by OSCORE alone: for what can not do X.509. */
export class CoapListener implements OpenListener {
  readonly #parts: CoapParts;
  readonly #contexts: KeyContexts;
  readonly #endpoint: Endpoint;
  #socket: Socket | undefined;
  #toldAt = Number.NEGATIVE_INFINITY;
  #closing = false;

  constructor(parts: CoapParts) {
    const { gate, ground, verdicts, watching, uses, connections, contextOf, contextsMax, system } = parts;
    const submissions = { ground, verdicts, watching, uses, log: parts.log, now: system.now };
    const { monotonic, random } = system;
    this.#parts = parts;
    this.#contexts = new KeyContexts({ connections, contextsMax, monotonic });
    const challenges = new Challenges({ mark: contextMark(gate), random, monotonic });
    const openings = new Openings({ contextOf, challenges, monotonic });
    const send = (datagram: Buffer, to: Remote) => this.#send(datagram, to);
    const endpoint = new Endpoint(
      {
        ...{ contexts: this.#contexts, openings, monotonic, send },
        fingerprintOf: (keyId) => this.#fingerprintOf(keyId),
        onUnavailable: (error) => this.#tellUnavailable(error),
        onRequest: (context, opened, answer) => judgeRequest(submissions, context, opened, answer),
      },
      random(2).readUInt16BE(),
    );
    this.#endpoint = endpoint;
  }

  /** Resolves to its port. */
  async listen(): Promise<number> {
    const { host, port } = this.#parts;
    const address = isIP(host) === 0 ? (await lookup(host)).address : host;
    const type = isIP(address) === 6 ? 'udp6' : 'udp4';
    // Addresses come from datagrams: there is nothing to look up.
    const lookupNothing = (name: string, _options: unknown, done: LookedUp) => done(null, name, isIP(name));
    const socket = createSocket({ type, recvBufferSize: receiveBufferBytes, lookup: lookupNothing as never });
    await new Promise<void>((resolve, reject) => {
      socket.once('error', (cause) => reject(listenFailure(cause, { host, port, file: 'gate.yaml' })));
      socket.bind({ port, address, exclusive: true }, resolve);
    });
    socket.removeAllListeners('error');
    // An answer that did not get out is one that was lost.
    socket.on('error', (error) => this.#parts.log.warn({ code: 'coap' }, `the CoAP socket: ${error.message}`));
    socket.on('message', (datagram, from) => this.#received(datagram, from));
    this.#socket = socket;
    return socket.address().port;
  }

  get crowd(): Crowd {
    return { displaced: this.#contexts.displaced, turnedAway: 0, unfinishedBytes: 0 };
  }

  /** A context is a connection. */
  get inUse() {
    return { transport: 'coap' as const, connections: this.#contexts.size };
  }

  /** Datagrams since the start, by what became of them. */
  get counts(): ReadonlyMap<Outcome, number> {
    return this.#endpoint.counts;
  }

  async close(): Promise<void> {
    this.#closing = true;
    let last: NodeJS.Timeout | undefined;
    const limit = new Promise<void>((resolve) => {
      last = setTimeout(resolve, closeMs);
    });
    await Promise.race([this.#contexts.close(), limit]);
    clearTimeout(last);
    const socket = this.#socket;
    if (socket) await new Promise<void>((resolve) => socket.close(() => resolve()));
    this.#socket = undefined;
  }

  #received(datagram: Buffer, { address, port }: RemoteInfo): void {
    if (!this.#closing) this.#endpoint.receive(datagram, { address, port });
  }

  #send(datagram: Buffer, { address, port }: Remote): void {
    const socket = this.#socket;
    if (!socket || socket.getSendQueueSize() > sendQueueBytesMax) return;
    socket.send(datagram, port, address, () => undefined);
  }

  #fingerprintOf(keyId: Buffer): Buffer | undefined {
    const { nameOf, ground } = this.#parts;
    const fingerprint = nameOf(keyId);
    return isValid(ground.replica, fingerprint, ground.presentTime()) ? fingerprint : undefined;
  }

  #tellUnavailable(error: Error): void {
    const { log, system } = this.#parts;
    const now = system.monotonic();
    if (now - this.#toldAt < tellMs) return;
    this.#toldAt = now;
    log.warn({ code: 'coap' }, `couldn't ask the authority for the keys of a sensor: ${error.message}`);
  }
}

type LookedUp = (error: null, address: string, family: number) => void;

/** No secret is asked for on behalf of a key that is not valid; who has one is told no more than who has none. */
function isValid(replica: Replica, fingerprint: Buffer, now: number): boolean {
  const row = replica.find(fingerprint);
  if (row === -1 || replica.standingOf(row) !== 'valid') return false;
  return now >= replica.notBeforeOf(row) && now <= replica.notAfterOf(row);
}
