import type { Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { PortcullisError } from '@portcullis/contract';
import type { FastifyInstance } from 'fastify';
import { Buckets, listenFailure } from '../bounds/bounds.ts';
import type { Store } from '../storage/storage.ts';
import { type FiguresAddress, FiguresListener } from '../telemetry/figures.ts';
import { DeskReports } from './desk-reports.ts';
import { Doors } from './door.ts';
import { authorityFigures } from './figures.ts';
import { OwnCertificate } from './own-certificate.ts';
import { Requests } from './requests.ts';
import type { Rooms } from './route.ts';
import { apiRoutes, openRoutes, sourceRoutes } from './routes.ts';
import { makeServer, type ServerIdentity, tlsOptions } from './server.ts';
import { signForStandbys } from './standby-requests.ts';

export interface ApiParts
  extends Omit<Rooms, 'serverCertificates' | 'keyContexts' | 'refusedArrivals' | 'desks' | 'doors'> {
  store: Store;
  listen: { host: string; apiPort: number; enrolmentPort: number; sourcesPort?: number | undefined };
  /** Where figures are told without a client certificate; not given: nowhere. */
  metrics?: { listen: FiguresAddress } | undefined;
  /** Others may stand by. */
  isOneOfMany: boolean;
  /** Where this process stood by: it makes room when all is ready to listen. */
  stoodBy?: AsyncDisposable | undefined;
}

interface Ports {
  readonly apiPort: number;
  readonly enrolmentPort: number;
  /** Undefined: no source comes without a client certificate. */
  readonly sourcesPort: number | undefined;
}

export interface Api extends Ports {
  [Symbol.asyncDispose](): Promise<void>;
}

/** A gate asks for one at each start, and once in the life of one. Each is a row, and an entry of the journal, for good. */
const certificateRate = { burst: 60, everyMs: 20_000 };
/** A gate that starts anew asks three times for each sensor that comes back; each is some 0.1 ms of work. */
const contextsAtOnce = 3_000;
const contextRate = { burst: contextsAtOnce, everyMs: 5 };
/** Whoever scans all day is refused less often; what is refused beyond is answered and not kept. */
const refusedRate = { burst: 1_000, everyMs: 1_000 };

/** The listeners of the authority, under one certificate of its own that renews itself. */
export async function openApi(given: ApiParts): Promise<Api> {
  const serverCertificates = new Buckets({ ...certificateRate, monotonic: given.system.monotonic });
  const keyContexts = new Buckets({ ...contextRate, monotonic: given.system.monotonic });
  const refusedArrivals = new Buckets({ ...refusedRate, monotonic: given.system.monotonic });
  const desks = new DeskReports({ store: given.store, monotonic: given.system.monotonic });
  const doors = new Doors(given);
  const parts = { ...given, serverCertificates, keyContexts, refusedArrivals, desks, doors };
  const trust = () => parts.issuance.bundle.roots + parts.issuance.bundle.issuers;
  if (!trust().includes('BEGIN CERTIFICATE')) {
    throw new PortcullisError('store_damaged', 'the trust list is empty; the store has lost its roots');
  }
  const own = new OwnCertificate(parts);
  const identity = await own.obtain();
  const requests = new Requests();
  const opened: Listener[] = [];
  for (const [name, { routes, trusts }] of Object.entries(listeners)) {
    if (name === 'sources' && !parts.intake.sources.hasOpenOnes) continue;
    const secure = (next: ServerIdentity) => tlsOptions(next, trusts ? trust() : undefined);
    const server = await makeServer(parts, routes, secure(identity), (status) => requests.answered(status));
    doors.guard(name, server.server as Server);
    opened.push({ name: name as keyof typeof listeners, server, secure });
  }
  own.keep((next) => {
    for (const { server, secure } of opened) (server.server as Server).setSecureContext(secure(next));
  });
  // Who is trusted is another list, and who signs may be another one.
  const stopHearing = parts.issuance.onReload(() => own.renewNow());
  const stopSigning = parts.isOneOfMany ? signForStandbys(parts) : undefined;
  let hindrance: string | undefined = 'it does not listen yet';
  const figures =
    parts.metrics &&
    new FiguresListener(parts.metrics.listen, authorityFigures({ ...parts, requests, own }), () => hindrance);
  const close = async () => {
    hindrance = 'it stops';
    stopHearing();
    own.stop();
    await stopSigning?.();
    await Promise.all([...opened.map(({ server }) => server.close()), figures?.[Symbol.asyncDispose]()]);
  };
  try {
    await parts.stoodBy?.[Symbol.asyncDispose]();
    await figures?.listen();
    const ports = await listenAt(opened, parts.listen);
    hindrance = undefined;
    return { ...ports, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** What is asked where, and whether a client certificate is demanded. */
const listeners = {
  api: { routes: apiRoutes, trusts: true },
  enrolment: { routes: openRoutes, trusts: false },
  sources: { routes: sourceRoutes, trusts: false },
};

interface Listener {
  name: keyof typeof listeners;
  server: FastifyInstance;
  secure(identity: ServerIdentity): ReturnType<typeof tlsOptions>;
}

async function listenAt(opened: readonly Listener[], { host, ...ports }: ApiParts['listen']): Promise<Ports> {
  const wanted = { api: ports.apiPort, enrolment: ports.enrolmentPort, sources: ports.sourcesPort ?? 0 };
  const bound: Partial<Record<keyof typeof listeners, number>> = {};
  for (const { name, server } of opened) bound[name] = await listen(server, host, wanted[name]);
  return { apiPort: bound.api as number, enrolmentPort: bound.enrolment as number, sourcesPort: bound.sources };
}

async function listen(server: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await server.listen({ host, port });
    return (server.server.address() as AddressInfo).port;
  } catch (cause) {
    throw listenFailure(cause, { host, port, file: 'fleet.yaml' });
  }
}
