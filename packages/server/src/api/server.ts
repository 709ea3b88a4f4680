import assert from 'node:assert';
import { constants } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import swagger from '@fastify/swagger';
import { type FailureCode, PortcullisError } from '@portcullis/contract';
import {
  type FastifyInstance,
  type FastifyReply,
  type FastifyRequest,
  fastify,
  type RouteHandlerMethod,
  type RouteOptions,
} from 'fastify';
import { createJsonSchemaTransform, serializerCompiler, validatorCompiler } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { type BytesRefused, refuseBytes } from '../bounds/bounds.ts';
import { readBody } from './body.ts';
import { FailedRequests } from './failed-requests.ts';
import { readJsonBodies } from './json-body.ts';
import { byPeer, type Peer, requirePeer } from './peer.ts';
import { answerError } from './problem.ts';
import { requestIdOf } from './request-id.ts';
import { admittedBy, type Call, type Rooms, type Route } from './route.ts';

export interface ServerIdentity {
  key: string;
  certificate: string;
}

const bodyBytesMax = 1024 * 1024;
export const requestMs = 30_000;
const handshakeMs = 10_000;

/** A description says "no other member" of requests alone: a later authority may answer more. */
const transform = createJsonSchemaTransform({
  zodToJsonConfig: {
    override: ({ zodSchema: { _zod: zod }, jsonSchema }) => {
      if (zod.def.type === 'object' && zod.def.catchall === undefined) delete jsonSchema.additionalProperties;
    },
  },
});

/** TLS of both listeners; `trust` given: a client certificate is demanded (P3). */
export function tlsOptions(identity: ServerIdentity, trust: string | undefined) {
  return {
    key: identity.key,
    cert: identity.certificate,
    ...(trust !== undefined && { ca: trust, requestCert: true, rejectUnauthorized: true }),
    minVersion: 'TLSv1.3' as const,
    secureOptions: constants.SSL_OP_NO_TICKET,
    // Whoever speaks HTTP/1.0 alone says so (RFC 7301 §6); what is chosen is the first that both know.
    ALPNProtocols: ['http/1.1', 'http/1.0'],
    handshakeTimeout: handshakeMs,
  };
}

/** A Fastify server over these rows of the map. */
export async function makeServer(
  rooms: Rooms,
  routes: readonly Route[],
  https: ReturnType<typeof tlsOptions>,
  answered: (status: number) => void = () => undefined,
): Promise<FastifyInstance> {
  const failed = new FailedRequests(rooms.log, rooms.system);
  const server = fastify({
    https,
    bodyLimit: bodyBytesMax,
    requestTimeout: requestMs,
    keepAliveTimeout: 75_000,
    connectionTimeout: 0,
    exposeHeadRoutes: false,
    // RFC 9112 §3.2.2: the absolute form of a target names this server.
    rewriteUrl: ({ url = '/' }) => url.replace(/^https:\/\/[^/?#]*/i, ''),
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 128 },
    clientErrorHandler: (error, socket) => refuseBytes(error as unknown as BytesRefused, socket, rooms.system.now()),
    // A target that is no URL reaches no route, and no error handler of one.
    frameworkErrors: (error, _request, reply) => void answerError(error, reply as unknown as FastifyReply, failed),
  }) as unknown as FastifyInstance;
  // With a listener of our own Node hands its parser the bytes, which otherwise takes them from TLS by itself: paused over an answer that is
  // not taken yet it would still be given the records that came with the last one, and end the connection over them (`HPE_PAUSED`).
  server.server.on('secureConnection', (socket: TLSSocket) => socket.on('data', () => undefined));
  readJsonBodies(server);
  server.setValidatorCompiler(validatorCompiler);
  server.setSerializerCompiler(serializerCompiler);
  server.setErrorHandler((error, _request, reply) => answerError(error, reply, failed));
  server.addHook('onResponse', async (_, reply) => answered(reply.statusCode));
  // Before its body is read: who asks for nothing costs no more than the answer.
  server.addHook('onRequest', async (request, reply) => {
    if (!request.is404) return;
    const [path = ''] = request.url.split('?');
    const allowed = methodsAt(path, routes);
    // RFC 9110 §15.5.6.
    if (allowed.length > 0) reply.header('allow', allowed.join(', '));
    const code: FailureCode = allowed.length > 0 ? 'method_not_allowed' : 'route_unknown';
    const words = allowed.length > 0 ? `; ${path} takes [${allowed.join(', ')}]` : '';
    throw new PortcullisError(code, `there is no ${request.method} ${path}${words}`);
  });
  server.addHook('preParsing', async ({ headers }) => {
    // RFC 9110 §8.4: bodies are taken as they are.
    if (!/^(identity)?$/i.test(headers['content-encoding']?.trim() ?? '')) {
      throw new PortcullisError('media_type_unsupported', 'the body must be application/json, not compressed');
    }
  });
  await server.register(swagger, {
    openapi: { openapi: '3.1.0', info: { title: 'Portcullis', version: '1' } },
    transform,
  });
  for (const row of routes) await addRoute(server, rooms, row);
  return server;
}

/** What another method would find there. */
function methodsAt(path: string, routes: readonly Route[]): string[] {
  const fits = (template: string) => new RegExp(`^${template.replaceAll(/:\w+/g, '[^/]+')}$`).test(path);
  return [...new Set(routes.filter((row) => fits(row.path)).flatMap(methodsOf))];
}

/** RFC 9110 §9.3.2: what can be read can be asked for its head. A feed has none: it never ends. */
function methodsOf({ method, answer }: Route): ('GET' | 'HEAD' | 'POST')[] {
  return method === 'GET' && answer ? ['GET', 'HEAD'] : [method];
}

/** Of a route that names none: what nobody reads is refused, not ignored. */
const noQuery = z.strictObject({});

async function addRoute(server: FastifyInstance, rooms: Rooms, row: Route): Promise<void> {
  const { params, query = noQuery, body } = row.schemas;
  const used = Object.fromEntries(row.uses.map((name) => [name, rooms[name]]));
  const peers = new WeakMap<FastifyRequest, Peer>();
  const handler = (async (request, reply) => {
    const peer = peers.get(request);
    const call = { params: request.params, query: request.query, body: request.body, request, reply };
    const by = peer && { ...byPeer(rooms, peer), request: requestIdOf(row, request) };
    return row.handle(used, { ...call, peer, by } as Call<never>);
  }) as RouteHandlerMethod;
  const judge = async (request: FastifyRequest) => {
    if (row.kinds.length === 0) return;
    peers.set(request, await requirePeer(rooms, request, row.kinds, { changes: row.method !== 'GET' }));
  };
  const options: RouteOptions = {
    method: row.method,
    url: row.path,
    ...(row.bodyBytesMax !== undefined && { bodyLimit: row.bodyBytesMax }),
    // Before the body is read: who is not admitted costs no parsing.
    onRequest: judge,
    // And again once it is there: how long that takes is the caller's choice (P6).
    preHandler: judge,
    schema: {
      summary: row.summary,
      description: descriptionOf(row),
      ...(params && { params }),
      querystring: query,
      ...(body && { body }),
      ...(row.answer && { response: { 200: row.answer } }),
    },
    handler,
  };
  if (row.raw) return addRaw(server, options, { row, used, peers });
  server.route(options);
  if (methodsOf(row).includes('HEAD'))
    server.route({ ...options, method: 'HEAD', schema: { ...options.schema, hide: true } });
}

function descriptionOf(row: Route): string {
  const admits =
    row.kinds.length > 0 ? `Admits: ${admittedBy(row)}.` : 'Admits anybody; the request carries the proof.';
  return row.once ? `${admits} Takes \`Idempotency-Key\`.` : admits;
}

interface RawRow {
  row: Route;
  used: Partial<Rooms>;
  peers: WeakMap<FastifyRequest, Peer>;
}

/** In a scope of its own, where bodies are nothing but bytes. */
async function addRaw(server: FastifyInstance, options: RouteOptions, { row, used, peers }: RawRow): Promise<void> {
  await server.register(async (scope) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser('*', async (request: FastifyRequest) => {
      const bounds = row.raw?.(used, request, peers.get(request));
      assert(bounds);
      return readBody(request.raw, bounds);
    });
    scope.addHook('onError', (request, _reply, error, done) => {
      void row.refused?.(used, request, error);
      done();
    });
    scope.route(options);
  });
}
