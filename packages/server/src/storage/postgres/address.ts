import { isIP } from 'node:net';
import { userInfo } from 'node:os';
import { PortcullisError } from '@portcullis/contract';
import type { ClientConfig } from 'pg';

/** Where a store or a sink is, and how it is reached: the words are libpq's, and `schema` is where its tables are. */
export interface Address {
  readonly client: ClientConfig;
  /** Of several that were one, of which one takes changes at a time: the others. */
  readonly others: readonly ClientConfig[];
  /** Something outside keeps one that was replaced from committing. */
  readonly fenced: boolean;
  readonly schema: string;
  /** For people, without anything secret. */
  readonly words: string;
}

/** What a file holds that the configuration names; `secret`: nobody but its owner may read it. */
export type ReadText = (file: string, secret: boolean) => string;

const usualSchemas = { store: 'portcullis', sink: 'readings' } as const;
type Use = keyof typeof usualSchemas;
const known = ['fencing', 'host', 'passfile', 'schema', 'sslrootcert'];
const placesMax = 8;
const schemaForm = /^[a-z][a-z0-9_]{0,62}$/;

/**
 * `postgres://USER@HOST:PORT,HOST:PORT/DATABASE?schema=NAME&passfile=FILE&sslrootcert=FILE`; `host=/DIRECTORY` for a socket. A password stands in
 * the passfile (libpq's format, mode 600), never here. On a network TLS verifies the server, always (P2).
 * @throws {PortcullisError} `config_invalid`
 */
export function parseAddress(text: string, readText: ReadText, of: Use = 'store'): Address {
  try {
    return addressIn(text, readText, of);
  } catch (error) {
    if (error instanceof Unfit) throw new PortcullisError('config_invalid', `"${of}" ${error.message}`);
    throw error;
  }
}

function addressIn(text: string, readText: ReadText, of: Use): Address {
  const { url, hosts } = urlOf(text);
  const { searchParams: given } = url;
  const unknown = [...given.keys()].find((name) => !known.includes(name));
  if (unknown !== undefined) throw invalid(`knows no "${unknown}"; it may have ${known.join(', ')}`);
  if (url.password !== '') throw invalid('must hold no password; name a file with it: passfile=FILE');
  const schema = given.get('schema') ?? usualSchemas[of];
  if (!schemaForm.test(schema)) throw invalid(`has the schema "${schema}", which must match ${schemaForm.source}`);
  const database = decodeURIComponent(url.pathname.slice(1));
  if (database === '') throw invalid('must name a database: postgres://HOST/DATABASE');
  const fencing = given.get('fencing');
  if (fencing !== null && fencing !== 'external') throw invalid(`has fencing=${fencing}; it may be external`);
  const socket = given.get('host');
  if (socket !== null && hosts.length > 1) throw invalid('must name one database with host=/DIRECTORY');
  if (of === 'sink' && (hosts.length > 1 || fencing !== null)) throw invalid('must name one database');
  const user = decodeURIComponent(url.username) || userInfo().username;
  const authority = given.get('sslrootcert');
  const ca = authority === null ? undefined : readText(authority, false);
  const passfile = given.get('passfile');
  const passwords = passfile === null ? undefined : readText(passfile, true);
  const clients = hosts.map(({ host: named, port }) => {
    const host = socket ?? named;
    const place = { host, port, user, database };
    const ssl = isOnThisMachine(host) && ca === undefined ? false : tlsTo(host, ca);
    // The driver asks the environment and a usual file where it is given no password.
    const password = passwords === undefined ? '' : passwordIn(passwords, passfile as string, place);
    return { ...place, password, ssl };
  });
  const [client, ...others] = clients as [ClientConfig, ...ClientConfig[]];
  const at = clients.map(({ host, port }) => `${host}:${port}`).join(' or ');
  return {
    ...{ client, others, fenced: fencing === 'external', schema },
    words: `${database} at ${at}, schema ${schema}`,
  };
}

interface Host {
  host: string;
  port: number;
}

/** No URL has several hosts: each is read as that of one. */
function urlOf(text: string): { url: URL; hosts: Host[] } {
  const [, before = '', listed = '', after = ''] =
    /^(postgres(?:ql)?:\/\/(?:[^/?#@]*@)?)([^/?#]*)(.*)$/s.exec(text) ?? [];
  const each = listed.split(',').map((host) => before + host + after);
  const urls = each.map((one) => (URL.canParse(one) ? new URL(one) : undefined));
  const [url] = urls;
  if (!url || urls.includes(undefined) || url.hash !== '')
    throw invalid('must be postgres://USER@HOST:PORT/DATABASE, with HOST:PORT,HOST:PORT for several that were one');
  const hosts = urls.map((one) => hostOf(one as URL));
  const places = new Set(hosts.map(({ host, port }) => `${host}:${port}`));
  if (hosts.length > placesMax) throw invalid(`names ${hosts.length} databases; it may name ${placesMax}`);
  if (places.size < hosts.length) throw invalid('names one database twice');
  if (hosts.length > 1 && hosts.some(({ host }) => host.startsWith('/')))
    throw invalid('must give each of several databases a host');
  return { url, hosts };
}

const hostOf = ({ hostname, port }: URL): Host => ({
  host: decodeURIComponent(hostname).replace(/^\[|\]$/g, '') || '/var/run/postgresql',
  port: port === '' ? 5432 : Number(port),
});

const isOnThisMachine = (host: string) => /^(\/|localhost$|127(\.\d{1,3}){3}$|::1$)/.test(host);

function tlsTo(host: string, ca: string | undefined) {
  return {
    ...(ca !== undefined && { ca }),
    rejectUnauthorized: true,
    minVersion: 'TLSv1.2' as const,
    ...(isIP(host) === 0 && { servername: host }),
  };
}

interface Place extends Host {
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

/** What an address can not be; the key that holds it is named by who reads it. */
class Unfit extends Error {}

const invalid = (why: string) => new Unfit(why);
