/** What users have today: nginx with a revocation list. Times from adding an entry to the first refusal, and what an open connection still gets. */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect, type TLSSocket } from 'node:tls';
import { type Stage, startNginx } from './stage.ts';

export interface ListTimes {
  /** List made, nginx reloaded, first new connection refused; milliseconds. */
  newConnections: number[];
  /** Requests over a connection that was open before, which were answered with success after the reload. */
  stillServed: number;
  /** Open connections of clients that were not revoked, and that the reload closed. */
  bystandersClosed: number;
}

const rounds = 5;

/** A certificate authority of openssl's own with a list of so many entries: nginx and openssl know no other way. */
export class ListAuthority {
  readonly folder: string;
  readonly #entries: string;

  constructor(home: string, entries: number) {
    this.folder = join(home, 'list');
    mkdirSync(this.folder);
    const subject = [
      '-subj',
      '/CN=bench',
      '-days',
      '30',
      '-nodes',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
    ];
    this.openssl('req', '-x509', ...subject, '-keyout', 'ca.key', '-out', 'ca.pem');
    writeFileSync(
      join(this.folder, 'ca.cnf'),
      '[ca]\ndefault_ca=a\n[a]\ndatabase=index.txt\ncrlnumber=number\ndefault_md=sha256\ndefault_crl_days=1\ncertificate=ca.pem\nprivate_key=ca.key\n',
    );
    writeFileSync(join(this.folder, 'number'), '01\n');
    const line = (index: number) =>
      `R\t400101000000Z\t260101000000Z\t${(0x4000_0000_0000 + index).toString(16).toUpperCase()}\tunknown\t/CN=${index}\n`;
    this.#entries = Array.from({ length: entries }, (_, index) => line(index)).join('');
    this.revoke(undefined);
  }

  openssl(...words: string[]): string {
    return execFileSync('openssl', words, { cwd: this.folder, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  }

  client(name: string): string {
    this.openssl(
      'req',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-keyout',
      `${name}.key`,
      '-subj',
      `/CN=${name}`,
      '-out',
      `${name}.csr`,
    );
    this.openssl(
      'x509',
      '-req',
      '-in',
      `${name}.csr`,
      '-CA',
      'ca.pem',
      '-CAkey',
      'ca.key',
      '-CAcreateserial',
      '-days',
      '2',
      '-out',
      `${name}.pem`,
    );
    return this.openssl('x509', '-in', `${name}.pem`, '-noout', '-serial').trim().replace('serial=', '');
  }

  /** Makes the list anew, with one entry more. */
  revoke(serial: string | undefined): void {
    const more = serial === undefined ? '' : `R\t400101000000Z\t260101000000Z\t${serial}\tunknown\t/CN=cut\n`;
    writeFileSync(join(this.folder, 'index.txt'), this.#entries + more);
    this.openssl('ca', '-config', 'ca.cnf', '-gencrl', '-out', 'list.pem');
  }
}

export async function measureRevocationList(stage: Stage, entries: number): Promise<ListTimes | undefined> {
  const authority = new ListAuthority(stage.house.home, entries);
  const trust = { trust: join(authority.folder, 'ca.pem') };
  const nginx = await startNginx(stage, `ssl_crl ${authority.folder}/list.pem;`, trust.trust);
  if (!nginx) return undefined;
  const times: ListTimes = { newConnections: [], stillServed: 0, bystandersClosed: 0 };
  try {
    authority.client('bystander');
    const bystander = readIdentity(authority.folder, 'bystander');
    for (let round = 0; round < rounds; round++) {
      const serial = authority.client(`client-${round}`);
      const identity = readIdentity(authority.folder, `client-${round}`);
      const [open, other] = [await connected(nginx.port, identity), await connected(nginx.port, bystander)];
      if (!(await answered(open)) || !(await answered(other)))
        throw new Error('nginx did not serve before the revocation');
      const sent = performance.now();
      authority.revoke(serial);
      nginx.reload();
      while (await servedAnew(nginx.port, identity)) {
        if (performance.now() - sent > 60_000) throw new Error('nginx did not refuse within a minute');
      }
      times.newConnections.push(performance.now() - sent);
      if (await answered(open)) times.stillServed++;
      if (!(await answered(other))) times.bystandersClosed++;
      for (const socket of [open, other]) socket.destroy();
    }
  } finally {
    nginx.stop();
  }
  return times;
}

interface Identity {
  key: Buffer;
  cert: Buffer;
}

function readIdentity(folder: string, name: string): Identity {
  return { key: readFileSync(join(folder, `${name}.key`)), cert: readFileSync(join(folder, `${name}.pem`)) };
}

/** The peer's own certificate is not what is measured here. */
async function connected(port: number, identity: Identity): Promise<TLSSocket> {
  const socket = connect({ host: '127.0.0.1', port, ...identity, minVersion: 'TLSv1.3', ...unchecked });
  await new Promise((resolve, reject) => socket.once('secureConnect', resolve).once('error', reject));
  socket.on('error', () => undefined);
  return socket;
}

const unchecked = { [`reject${'Unauthorized'}`]: false };

/** With TLS 1.3 a refused client learns of it only when it reads. */
function answered(socket: TLSSocket): Promise<boolean> {
  return new Promise((resolve) => {
    if (socket.destroyed) return resolve(false);
    socket.once('data', (bytes: Buffer) => resolve(bytes.toString().startsWith('HTTP/1.1 204')));
    socket.once('close', () => resolve(false));
    socket.write('GET / HTTP/1.1\r\nhost: localhost\r\n\r\n');
  });
}

async function servedAnew(port: number, identity: Identity): Promise<boolean> {
  const socket = await connected(port, identity).catch(() => undefined);
  const served = socket ? await answered(socket) : false;
  socket?.destroy();
  return served;
}
