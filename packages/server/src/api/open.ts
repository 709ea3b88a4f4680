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
import { apiRoutes, openRoutes } from './routes.ts';
import { makeServer, tlsOptions } from './server.ts';

export interface ApiParts extends Omit<Rooms, 'serverCertificates' | 'desks' | 'doors'> {
  store: Store;
  listen: { host: string; apiPort: number; enrolmentPort: number };
  /** Where figures are told without a client certificate; not given: nowhere. */
  metrics?: { listen: FiguresAddress } | undefined;
}

export interface Api {
  readonly apiPort: number;
  readonly enrolmentPort: number;
  [Symbol.asyncDispose](): Promise<void>;
}

/** A gate asks for one at each start, and once in the life of one. Each is a row, and an entry of the journal, for good. */
const certificateRate = { burst: 60, everyMs: 20_000 };

/** Both listeners of the authority, under one certificate of its own that renews itself. */
export async function openApi(given: ApiParts): Promise<Api> {
  const serverCertificates = new Buckets({ ...certificateRate, monotonic: given.system.monotonic });
  const desks = new DeskReports({ store: given.store, monotonic: given.system.monotonic });
  const doors = new Doors(given);
  const parts = { ...given, serverCertificates, desks, doors };
  const { roots, issuers } = parts.issuance.bundle;
  const trust = roots + issuers;
  if (!trust.includes('BEGIN CERTIFICATE')) {
    throw new PortcullisError('store_damaged', 'the trust list is empty; the store has lost its roots');
  }
  const own = new OwnCertificate(parts);
  const identity = await own.obtain();
  const api = await makeServer(parts, apiRoutes, tlsOptions(identity, trust));
  const enrolment = await makeServer(parts, openRoutes, tlsOptions(identity, undefined));
  doors.guard('api', api.server as Server);
  doors.guard('enrolment', enrolment.server as Server);
  own.keep((next) => {
    (api.server as Server).setSecureContext(tlsOptions(next, trust));
    (enrolment.server as Server).setSecureContext(tlsOptions(next, undefined));
  });
  const requests = new Requests();
  for (const server of [api, enrolment])
    server.addHook('onResponse', async (_, reply) => requests.answered(reply.statusCode));
  const figures = parts.metrics && new FiguresListener(parts.metrics.listen, authorityFigures({ ...parts, requests }));
  const close = async () => {
    own.stop();
    await Promise.all([api.close(), enrolment.close(), figures?.[Symbol.asyncDispose]()]);
  };
  try {
    const { host, apiPort, enrolmentPort } = parts.listen;
    await figures?.listen();
    const ports = {
      apiPort: await listen(api, host, apiPort),
      enrolmentPort: await listen(enrolment, host, enrolmentPort),
    };
    return { ...ports, [Symbol.asyncDispose]: close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function listen(server: FastifyInstance, host: string, port: number): Promise<number> {
  try {
    await server.listen({ host, port });
    return (server.server.address() as AddressInfo).port;
  } catch (cause) {
    throw listenFailure(cause, { host, port, file: 'fleet.yaml' });
  }
}
