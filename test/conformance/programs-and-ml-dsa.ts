/** What programs that are not ours make of a fleet's certificates: each is run, on those of one fleet. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Of a program: what it can do; undefined: it was not asked. */
export interface Seen {
  /** A certificate of the fleet, as it is. */
  reads?: boolean;
  /** Its chain to the root. */
  verifies?: boolean;
  /** It with its key. */
  own?: boolean;
  /** One of P-256 that the same issuer signed, with its key. */
  classical?: boolean;
  /** The gate: a reading is taken. */
  reaches?: boolean;
}
export const columns = ['reads', 'verifies', 'own', 'classical', 'reaches'] as const;

/** A fleet with the credentials `own`, of its own algorithm, and `classical`, of P-256, as `portcullis-device export` writes them. */
export interface Shown {
  /** The folder of both, and what is written for them. */
  folder: string;
  root: string;
  /** Of the gate: HTTPS, and MQTT on the next one. */
  port: number;
}

const env = { ...process.env, PATH: `/usr/sbin:${process.env.PATH}` };

function ended(program: string, ...words: string[]): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(program, words, { env, encoding: 'utf8', timeout: 30_000, input: '' });
  return { status, said: `${stdout}${stderr}` };
}
const succeeds = (...[program, ...words]: string[]) => ended(program as string, ...words).status === 0;

const pairOf = ({ folder }: Shown, who: 'own' | 'classical') => ({
  cert: join(folder, who, 'cert.pem'),
  key: join(folder, who, 'key.pem'),
});
const urlOf = ({ port }: Shown) => `https://localhost:${port}/v1/streams/telemetry/readings`;

/** OpenSSL that is in the distribution, where it is one of 3.0 to 3.4: from 3.5 on it knows ML-DSA. */
export const hasClassicalOpenssl = () => /^OpenSSL 3\.[0-4]\./.test(ended('openssl', 'version').said);

function openssl(shown: Shown): Seen {
  const connect = (who: 'own' | 'classical') => {
    const { cert, key } = pairOf(shown, who);
    const to = ['s_client', '-connect', `localhost:${shown.port}`, '-CAfile', shown.root, '-verify_return_error'];
    return ended('openssl', ...to, '-cert', cert, '-cert_chain', cert, '-key', key);
  };
  const isLoaded = ({ said }: { said: string }) => !/error setting certificate|Could not (read|find|open)/.test(said);
  const own = connect('own');
  const { cert } = pairOf(shown, 'own');
  return {
    reads: succeeds('openssl', 'x509', '-in', cert, '-noout', '-subject'),
    verifies: succeeds('openssl', 'verify', '-CAfile', shown.root, '-untrusted', cert, cert),
    own: isLoaded(own),
    classical: isLoaded(connect('classical')),
    reaches: isLoaded(own) && own.status === 0,
  };
}

function curl(shown: Shown): Seen {
  const asked = (who: 'own' | 'classical') => {
    const { cert, key } = pairOf(shown, who);
    const body = ['-H', 'content-type: application/json', '-d', '{"t":2}'];
    return ended('curl', '-sS', '--fail', '--cacert', shown.root, '--cert', cert, '--key', key, ...body, urlOf(shown));
  };
  // 58: a problem with the local certificate.
  const own = asked('own');
  return { own: own.status !== 58, classical: asked('classical').status !== 58, reaches: own.status === 0 };
}

function gnutls(shown: Shown): Seen {
  const connect = (who: 'own' | 'classical') => {
    const { cert, key } = pairOf(shown, who);
    const pair = ['--x509certfile', cert, '--x509keyfile', key];
    return ended('gnutls-cli', '--x509cafile', shown.root, ...pair, '-p', String(shown.port), 'localhost');
  };
  const { cert } = pairOf(shown, 'own');
  const chain = join(shown.folder, 'chain.pem');
  writeFileSync(chain, readFileSync(cert, 'utf8') + readFileSync(shown.root, 'utf8'));
  const isLoaded = ({ said }: { said: string }) => !/^\*\*\* Error|Error (importing|loading|reading)/m.test(said);
  const own = connect('own');
  return {
    reads: succeeds('certtool', '-i', '--infile', cert),
    verifies: succeeds('certtool', '--verify', '--load-ca-certificate', shown.root, '--infile', chain),
    own: isLoaded(own),
    classical: isLoaded(connect('classical')),
    reaches: own.status === 0,
  };
}

function python(shown: Shown): Seen {
  const loads = (who: 'own' | 'classical') => {
    const { cert, key } = pairOf(shown, who);
    return `c.load_cert_chain(${JSON.stringify(cert)}, ${JSON.stringify(key)})`;
  };
  const context = `import ssl, socket; c = ssl.create_default_context(cafile=${JSON.stringify(shown.root)})`;
  const connect = `s = c.wrap_socket(socket.create_connection(("localhost", ${shown.port})), server_hostname="localhost")`;
  const asks = `s.sendall(b"GET / HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n"); assert s.recv(9) == b"HTTP/1.1 "`;
  const does = (...lines: string[]) => succeeds('python3', '-c', [context, ...lines].join('; '));
  return {
    own: does(loads('own')),
    classical: does(loads('classical')),
    reaches: does(loads('own'), connect, asks),
  };
}

function mosquitto(shown: Shown): Seen {
  const { cert, key } = pairOf(shown, 'own');
  const to = [
    '-h',
    'localhost',
    '-p',
    String(shown.port + 1),
    '-V',
    '5',
    '-q',
    '1',
    '-t',
    'telemetry',
    '-m',
    '{"t":3}',
  ];
  return { reaches: succeeds('mosquitto_pub', ...to, '--cafile', shown.root, '--cert', cert, '--key', key) };
}

/** As a server: whether it would start with it. */
function nginx(shown: Shown): Seen {
  const starts = (who: 'own' | 'classical') => {
    const { cert, key } = pairOf(shown, who);
    const file = join(shown.folder, 'nginx.conf');
    const server = `server { listen 127.0.0.1:${shown.port + 8} ssl; ssl_certificate ${cert}; ssl_certificate_key ${key}; }`;
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
      .map((name) => `${name}_temp_path ${join(shown.folder, name)};`)
      .join(' ');
    const here = `pid ${join(shown.folder, 'nginx.pid')}; error_log ${join(shown.folder, 'nginx.log')};`;
    writeFileSync(file, `${here} events {} http { access_log off; ${temporary} ${server} }`);
    return succeeds('nginx', '-t', '-q', '-c', file);
  };
  return { own: starts('own'), classical: starts('classical') };
}

function haproxy(shown: Shown): Seen {
  const starts = (who: 'own' | 'classical') => {
    const { cert, key } = pairOf(shown, who);
    const both = join(shown.folder, `${who}.pem`);
    writeFileSync(both, readFileSync(cert, 'utf8') + readFileSync(key, 'utf8'));
    const file = join(shown.folder, 'haproxy.cfg');
    const bounds = ['client', 'connect', 'server'].map((side) => `  timeout ${side} 10s`).join('\n');
    const front = `frontend f\n  bind 127.0.0.1:${shown.port + 8} ssl crt ${both}\n  http-request return status 204\n`;
    writeFileSync(file, `defaults\n  mode http\n${bounds}\n${front}`);
    return succeeds('haproxy', '-c', '-f', file);
  };
  return { own: starts('own'), classical: starts('classical') };
}

async function node(program: string, shown: Shown): Promise<Seen> {
  const script = join(import.meta.dirname, 'what-a-node-can.mjs');
  const { stdout } = await run(program, [script, shown.folder, urlOf(shown), shown.root]);
  const { openssl: _, ...seen } = JSON.parse(stdout) as Seen & { openssl: string };
  return seen;
}

/** By the name that docs/operating/post-quantum.md has for each. `nodes`: further ones, by name. */
export async function seenOf(shown: Shown, nodes: Readonly<Record<string, string>>): Promise<Record<string, Seen>> {
  const others: Record<string, Seen> = {};
  for (const [name, program] of Object.entries(nodes)) others[name] = await node(program, shown);
  return {
    'OpenSSL 3.0': openssl(shown),
    curl: curl(shown),
    'GnuTLS 3.7': gnutls(shown),
    'Python 3': python(shown),
    mosquitto_pub: mosquitto(shown),
    nginx: nginx(shown),
    HAProxy: haproxy(shown),
    ...others,
  };
}
