import { isIP } from 'node:net';
import { userInfo } from 'node:os';
import { PortcullisError } from '@portcullis/contract';
import type { ClientConfig } from 'pg';

/** Where a store is, and how it is reached: the words are libpq's, and `schema` is where its tables are. */
export interface Address {
  readonly client: ClientConfig;
  readonly schema: string;
  /** For people, without anything secret. */
  readonly words: string;
}

/** What a file holds that the configuration names; `secret`: nobody but its owner may read it. */
export type ReadText = (file: string, secret: boolean) => string;

const usualSchema = 'portcullis';
const known = ['host', 'passfile', 'schema', 'sslrootcert'];
const schemaForm = /^[a-z][a-z0-9_]{0,62}$/;

/**
 * `postgres://USER@HOST:PORT/DATABASE?schema=NAME&passfile=FILE&sslrootcert=FILE`; `host=/DIRECTORY` for a socket. A password stands in
 * the passfile (libpq's format, mode 600), never here. On a network TLS verifies the server, always (P2).
 * @throws {PortcullisError} `config_invalid`
 */
export function parseAddress(text: string, readText: ReadText): Address {
  const url = urlOf(text);
  const { searchParams: given } = url;
  const unknown = [...given.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`knows no "${unknown}"; it may have ${known.join(', ')}`);
  if (url.password !== '') throw invalid('must hold no password; name a file with it: passfile=FILE');
  const schema = given.get('schema') ?? usualSchema;
  if (!schemaForm.test(schema)) throw invalid(`has the schema "${schema}", which must match ${schemaForm.source}`);
  const database = decodeURIComponent(url.pathname.slice(1));
  if (database === '') throw invalid('must name a database: postgres://HOST/DATABASE');
  const host = given.get('host') ?? (decodeURIComponent(url.hostname).replace(/^\[|\]$/g, '') || '/var/run/postgresql');
  const port = url.port === '' ? 5432 : Number(url.port);
  const user = decodeURIComponent(url.username) || userInfo().username;
  const place = { host, port, user, database };
  const authority = given.get('sslrootcert');
  const ca = authority === null ? undefined : readText(authority, false);
  const ssl = isOnThisMachine(host) && ca === undefined ? false : tlsTo(host, ca);
  const passfile = given.get('passfile');
  // The driver asks the environment and a usual file where it is given no password.
  const password = passfile === null ? '' : passwordIn(readText(passfile, true), passfile, place);
  return { client: { ...place, password, ssl }, schema, words: `${database} at ${host}:${port}, schema ${schema}` };
}

function urlOf(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url && ['postgres:', 'postgresql:'].includes(url.protocol) && url.hash === '') return url;
  throw invalid('must be postgres://USER@HOST:PORT/DATABASE');
}

const isOnThisMachine = (host: string) => /^(\/|localhost$|127(\.\d{1,3}){3}$|::1$)/.test(host);

function tlsTo(host: string, ca: string | undefined) {
  return {
    ...(ca !== undefined && { ca }),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
    ...(isIP(host) === 0 && { servername: host }),
  };
}

interface Place {
  host: string;
  port: number;
  user: string;
  database: string;
}

/** The first line that fits: https://www.postgresql.org/docs/15/libpq-pgpass.html */
function passwordIn(text: string, file: string, { host, port, user, database }: Place): string {
  const wanted = [host.startsWith('/') ? 'localhost' : host, String(port), database, user];
  for (const line of text.split('\n')) {
    const fields = [...line.matchAll(/(?:^|:)((?:\\.|[^:\\])*)/g)].map(([, field = '']) =>
      field.replaceAll(/\\(.)/g, '$1'),
    );
    if (fields.length !== 5 || line.startsWith('#')) continue;
    if (wanted.every((value, index) => fields[index] === '*' || fields[index] === value)) return fields[4] as string;
  }
  throw invalid(`has a passfile, "${file}", without a line for ${wanted.join(':')}`);
}

const invalid = (why: string) => new PortcullisError('config_invalid', `"store" ${why}`);
