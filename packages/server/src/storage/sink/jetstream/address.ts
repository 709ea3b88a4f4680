import { isIP } from 'node:net';
import { PortcullisError } from '@portcullis/contract';
import type { ReadText } from '../../postgres/address.ts';

/** Where a stream is, and how its servers are reached. */
export interface StreamAddress {
  /** HOST:PORT of the servers of one cluster: any of them will do. */
  readonly servers: readonly string[];
  readonly stream: string;
  readonly user: string | undefined;
  /** Of the user; the file's first line. */
  readonly password: string | undefined;
  /** A file as `nsc` makes it: a JWT and the seed of its key. */
  readonly credentials: string | undefined;
  /** What TLS verifies a server by; false: there is none. */
  readonly tls: { readonly ca?: string } | false;
  /** For people, without anything secret. */
  readonly words: string;
}

const known = ['cafile', 'credentials', 'passfile'];
const serversMax = 8;
/** What every server's disk can name: https://docs.nats.io/running-a-nats-service/nats_admin/jetstream_admin/naming */
const streamForm = /^[A-Za-z0-9_-]{1,64}$/;
const hostForm = /^(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)$/;

/**
 * `nats://USER@HOST:PORT,HOST:PORT/STREAM?passfile=FILE&cafile=FILE`, or `credentials=FILE` instead of user and passfile. Nothing secret stands in
 * it. On a network TLS verifies the server, always (P2); on this machine where `cafile` names whom to trust.
 * @throws {PortcullisError} `config_invalid`
 */
export function parseStreamAddress(text: string, readText: ReadText): StreamAddress {
  const [, user, listed = '', path = '', asked = ''] =
    /^nats:\/\/(?:([^/?#@]*)@)?([^/?#@]*)\/([^?#]*)(?:\?([^#]*))?$/.exec(text) ?? [];
  const given = new URLSearchParams(asked);
  const unknown = [...given.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`knows no "${unknown}"; it may have ${known.join(', ')}`);
  if (user?.includes(':')) throw invalid('must hold no password; name a file with it: passfile=FILE');
  if (!streamForm.test(path)) throw invalid(`must name a stream: nats://HOST:PORT/STREAM, of ${streamForm.source}`);
  const hosts = listed.split(',').map(hostOf);
  if (hosts.length > serversMax) throw invalid(`names ${hosts.length} servers; it may name ${serversMax}`);
  const [cafile, passfile, credentials] = ['cafile', 'passfile', 'credentials'].map(
    (name) => given.get(name) ?? undefined,
  );
  if ((user === undefined) !== (passfile === undefined)) throw invalid('must have a user and a passfile, or neither');
  if (user !== undefined && credentials !== undefined) throw invalid('must have a user or credentials, not both');
  const ca = cafile === undefined ? undefined : readText(cafile, false);
  const isNear = hosts.every(({ host }) => /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(host));
  const servers = hosts.map(({ host, port }) => `${host}:${port}`);
  return {
    ...{ servers, stream: path, user: user === undefined ? undefined : decodeURIComponent(user) },
    password: passfile === undefined ? undefined : readText(passfile, true).split(/\r?\n/, 1)[0],
    credentials: credentials === undefined ? undefined : readText(credentials, true),
    tls: ca === undefined ? !isNear && {} : { ca },
    words: `stream ${path} at ${servers.join(' or ')}`,
  };
}

function hostOf(text: string): { host: string; port: number } {
  const [, host = '', port = '4222'] = /^(.*?)(?::(\d{1,5}))?$/.exec(text) ?? [];
  const isAddress = host.startsWith('[') && isIP(host.slice(1, -1)) === 6;
  if (!hostForm.test(host) || (host.startsWith('[') && !isAddress) || Number(port) < 1 || Number(port) > 65_535)
    throw invalid(`has the server "${text}"; it must be HOST:PORT`);
  return { host, port: Number(port) };
}

const invalid = (why: string) => new PortcullisError('config_invalid', `"sink" ${why}`);
