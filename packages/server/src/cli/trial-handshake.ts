/** Whether certificates of a fleet are taken by who verifies them: a TLS handshake, each side showing one, as devices and gates do it. */
import { once } from 'node:events';
import { duplexPair } from 'node:stream';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { PortcullisError } from '@portcullis/contract';
import { makeKey, makeRequest } from '@portcullis/device';
import type { Records } from '../assemble.ts';
import type { FleetConfig } from '../config/config.ts';
import { readAuthority } from '../pki/pki.ts';

/** Certificates that are never put on record: no gate admits them. */
async function shown(issuance: Records['issuance'], subject: string, hosts: string[] | undefined) {
  const key = makeKey(issuance.keysOf(hosts ? 'authority' : 'device'));
  const request = makeRequest(key, subject);
  const asked = hosts
    ? ({ subject, kind: 'authority', request, hosts } as const)
    : ({ subject, kind: 'device', request, trial: true } as const);
  const { pem, issuerPem } = await issuance.issue(await issuance.check(asked));
  return { key, cert: pem + issuerPem };
}

/** @throws {PortcullisError} `file_unusable` */
export async function requireTaken({ issuance }: Records, { hosts }: FleetConfig): Promise<void> {
  const ca = issuance.bundle.roots;
  const server = createServer({
    ...(await shown(issuance, 'authority', hosts)),
    ...{ ca, requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' },
  });
  const [there, here] = duplexPair();
  server.emit('connection', there);
  const device = await shown(issuance, 'device-1', undefined);
  // Which name it has is not asked: only whether its issuers may give it.
  const client = connect({ socket: here, ...device, ca, servername: hostOf(hosts), minVersion: 'TLSv1.3' });
  try {
    await Promise.all([once(client, 'secureConnect'), serverTakes(server, client)]);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const isConstrained = issuance.issuers().some((one) => readAuthority(one.certificate).constrainsNames);
    const advice = isConstrained ? '; look at its constraints on names' : '';
    const words = `certificates below this authority are refused by TLS (${why})${advice}`;
    throw new PortcullisError('file_unusable', words, { cause });
  } finally {
    client.destroy();
    there.destroy();
    server.close();
  }
}

const hostOf = (hosts: readonly string[]) => hosts.find((host) => !/^[\d.]+$|:/.test(host)) ?? '';

/** One that is not taken is hung up on without a word. */
function serverTakes(server: ReturnType<typeof createServer>, client: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('secureConnection', () => resolve());
    server.once('tlsClientError', reject);
    client.once('close', () => reject(new Error('the certificate of a device is not taken')));
  });
}
