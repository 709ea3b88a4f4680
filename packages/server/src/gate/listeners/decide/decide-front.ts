import { createServer, type Server } from 'node:http';
import type { SubjectId } from '@portcullis/contract';
import { boundAnswer, type Crowd, listenOnOwn, throwAwayBody } from '../../../bounds/bounds.ts';
import type { System } from '../../../telemetry/telemetry.ts';
import { type Ground, judgeWithoutLease } from '../../admission/admit.ts';
import { describe } from '../../admission/explain.ts';
import type { Connections } from '../../connections/connections.ts';
import type { Verdicts } from '../../recording/verdicts.ts';
import type { DoorNotes } from '../door-notes.ts';
import { failureProblem, sendProblem } from '../http/answers.ts';
import { type Asked, Listener } from '../http/listener.ts';
import type { OpenListener } from '../listeners.ts';
import type { ListenerLimits, ServerCredential } from '../tls.ts';
import { toldOf } from '../told.ts';
import type { Advice } from './advice.ts';
import { type AskParts, type Question, serveAsked } from './ask.ts';
import { type Cuts, CutsExchange } from './cuts.ts';
import { Decisions } from './decisions.ts';

/** Where proxies ask: a socket, a port, or both. */
export interface DecideAddress {
  decideSocket?: string | undefined;
  decidePort?: number | undefined;
}

export interface DecideParts {
  ground: Ground;
  connections: Connections;
  verdicts: Verdicts;
  advice: Advice;
  cuts: Cuts;
  system: System;
  notes: DoorNotes;
  settings: { listen: { host: string } & DecideAddress; limits: ListenerLimits };
}

/** Each costs a look through the whole replica at its beginning. */
const followersMax = 16;
const socketConnectionsMax = 1_024;
const headerBytesMax = 16_384;

/**
 * Where those ask who keep a proxy or broker of their own in front. They are told what is so, and what they make of it is theirs: it is no
 * admission of this gate, and no receipt counts on it (FIELD-NOTES H3). By the socket, whoever may open it asks; over the network, nobody who is not
 * admitted as a proxy.
 */
export class DecideFront implements OpenListener {
  readonly #parts: DecideParts;
  /** Made when there is somebody to trust. */
  #decisions: Decisions | undefined;
  readonly #following = new Set<CutsExchange>();
  #port: number | undefined;
  #server: Server | undefined;
  #listener: Listener | undefined;

  constructor(parts: DecideParts) {
    this.#parts = parts;
  }

  /** @throws {PortcullisError} `port_taken`, `config_invalid` */
  async listen(credential: ServerCredential): Promise<void> {
    const { ground, advice, settings, connections, notes, system } = this.#parts;
    this.#decisions = new Decisions({ ground, advice, trust: credential.trust });
    const { decideSocket: path, decidePort: port } = settings.listen;
    if (path !== undefined) {
      this.#server = this.#makeServer();
      await listenOnOwn(this.#server, { path }, 'listen.decideSocket');
    }
    if (port === undefined) return;
    this.#listener = new Listener({
      ...{ host: settings.listen.host, port, limits: settings.limits, credential, connections },
      ...{ notes, now: system.now, monotonic: system.monotonic },
      handle: (asked) => this.#overNetwork(asked),
    });
    this.#port = await this.#listener.listen();
  }

  /** That was bound; undefined: there is none. */
  get port(): number | undefined {
    return this.#port;
  }

  get crowd(): Crowd {
    return this.#listener?.crowd ?? { displaced: 0, turnedAway: 0, unfinishedBytes: 0 };
  }

  get inUse() {
    return { transport: 'decide' as const, connections: this.#listener?.size ?? 0 };
  }

  swapCredential(credential: ServerCredential): void {
    this.#decisions?.trust(credential.trust);
    this.#listener?.swapCredential(credential);
  }

  async close(): Promise<void> {
    for (const exchange of [...this.#following]) exchange.cut();
    await Promise.all([this.#listener?.close(), this.#server && closed(this.#server)]);
  }

  #makeServer(): Server {
    const { requestMs, idleMs } = this.#parts.settings.limits;
    const server = createServer({
      requestTimeout: requestMs,
      headersTimeout: requestMs,
      maxHeaderSize: headerBytesMax,
    });
    server.maxConnections = socketConnectionsMax;
    server.keepAliveTimeout = idleMs;
    return server.on('request', (request, response) => {
      boundAnswer(request, response);
      this.#serve(null, { request, response });
    });
  }

  #serve(asker: SubjectId | null, question: Question, further: Partial<Pick<Asked, 'transport'>> = {}): void {
    this.#parts.advice.note(asker);
    const follow: AskParts['follow'] = (asked, { stream }) => this.#follow(asked, stream, further.transport);
    if (this.#decisions) serveAsked({ decisions: this.#decisions, follow }, question);
  }

  /** Judged for each request, like a device for each reading. Without a lease it is told that nothing is decided, by the decision itself. */
  #overNetwork(asked: Asked): void {
    const { ground, verdicts } = this.#parts;
    const { connection, request, response, transport } = asked;
    const refused = judgeWithoutLease({ bearer: connection, stream: ground.policy.ask, data: [] }, ground);
    if (!refused) return this.#serve(connection.subjectId as SubjectId, { request, response }, { transport });
    throwAwayBody(request);
    verdicts.refused(refused.reason, connection.name, 'decide', 1, () =>
      describe(refused, connection, 'decide', ground.replica),
    );
    sendProblem(response, toldOf(refused, connection, ground.replica), true);
  }

  #follow({ response }: Question, stream: string | undefined, transport: Asked['transport'] | undefined): void {
    if (this.#following.size >= followersMax) {
      return sendProblem(response, failureProblem('rate_limited', `${followersMax} follow the cuts already`), false);
    }
    const { ground, cuts, system } = this.#parts;
    const onEnd = (exchange: CutsExchange) => {
      this.#following.delete(exchange);
      transport?.finish(exchange);
    };
    const exchange = new CutsExchange({ ground, cuts, stream, monotonic: system.monotonic, onEnd }, response);
    this.#following.add(exchange);
    transport?.begin(exchange);
    exchange.start();
  }
}

async function closed(server: Server): Promise<void> {
  const ended = new Promise((resolve) => server.close(resolve));
  server.closeAllConnections();
  await ended;
}
