/** A real interception on loopback: a proxy that ends TLS with a certificate of its own and notes every byte it gets to see. */
import { generateKeyPairSync } from 'node:crypto';
import { join } from 'node:path';
import { createServer, type TLSSocket } from 'node:tls';
import type { FleetName, Kind, SubjectId } from '@portcullis/contract';
import { subjectUri } from '@portcullis/contract';
import { fileKeys } from '../../../src/keys/keys.ts';
import { fromPem, makeCertificate, readCertificate, toPem } from '../../../src/pki/pki.ts';
import { readSqliteStore } from '../../../src/storage/storage.ts';

export interface Forged {
  key: string;
  cert: string;
}

const hour = 3_600_000;

export interface Forgery {
  issuer: 'issuer-device' | 'issuer-infrastructure';
  kind: Kind;
  subject: string;
  hosts?: string[];
  /** Milliseconds from now. */
  from?: number;
  until?: number;
  purpose?: 'client' | 'server';
}

/** A certificate signed by the fleet's own issuer with any content: what an attacker could have who holds such a one. */
export async function forge(
  fleet: string,
  { issuer, kind, subject, hosts = ['localhost'], ...rest }: Forgery,
): Promise<Forged> {
  const home = join(fleet, 'authority');
  const { name, issuerPem } = await readSqliteStore(home).snapshot(async (db) => {
    const fleetName = db.selectFrom('settings').select('value').where('name', '=', 'fleet');
    const issuerRow = db.selectFrom('issuers').select('certificate').where('key', '=', issuer);
    return {
      name: (await fleetName.executeTakeFirstOrThrow()).value,
      issuerPem: (await issuerRow.executeTakeFirstOrThrow()).certificate,
    };
  });
  const signer = await fileKeys(join(home, 'keys')).open(issuer);
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const [issuerDer] = fromPem('CERTIFICATE', issuerPem);
  const now = Date.now();
  const der = await makeCertificate(
    {
      serial: Buffer.from(`40${'11'.repeat(15)}`, 'hex'),
      issuer: `${name} ${issuer === 'issuer-device' ? 'device' : 'infrastructure'} issuer`,
      issuerPublicKey: readCertificate(issuerDer as Buffer).publicKey,
      subject,
      publicKey: publicKey.export({ type: 'spki', format: 'der' }),
      notBefore: now + (rest.from ?? -hour),
      notAfter: now + (rest.until ?? hour),
      purposes: [rest.purpose ?? 'server'],
      uris: [subjectUri(name as FleetName, kind, subject as SubjectId)],
      hosts,
    },
    signer,
  );
  const key = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  return { key, cert: toPem('CERTIFICATE', der) + issuerPem };
}

export interface Proxy {
  port: number;
  /** What came through in the clear. */
  seen: Buffer[];
  handshakes: number;
  close(): void;
}

/** Listens with the forged certificate, and answers whoever sends as an attacker would: with success. */
export async function intercept(forged: Forged): Promise<Proxy> {
  const proxy: Proxy = { port: 0, seen: [], handshakes: 0, close: () => server.close() };
  const server = createServer({ key: forged.key, cert: forged.cert, minVersion: 'TLSv1.2' }, (socket: TLSSocket) => {
    proxy.handshakes++;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      proxy.seen.push(bytes);
      const body = JSON.stringify({ acknowledged: 1, ids: ['stolen'], revision: 1 });
      socket.end(
        `HTTP/1.1 202 Accepted\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
      );
    });
  });
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve));
  const address = server.address();
  proxy.port = typeof address === 'object' && address ? address.port : 0;
  return proxy;
}
