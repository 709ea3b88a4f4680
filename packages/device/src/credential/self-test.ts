import { createPublicKey } from 'node:crypto';
import { type Duplex, duplexPair } from 'node:stream';
import { connect, createSecureContext, type SecureContext, TLSSocket } from 'node:tls';
import { der, keyAlgorithmOf, keyAlgorithms, objectIdentifiers, PortcullisError } from '@portcullis/contract';
import { inRoom, keyFailure, signatureWith, withKey } from '../link/private-key.ts';

const { bitString, explicit, integer, objectIdentifier, sequence, set, time, utf8String } = der;
const handshakeMs = 20_000;
const name = 'localhost';

/**
 * Whether a key that was brought can do what a device needs it for, before anything is asked with it: it signs, and both sides of a TLS 1.3
 * handshake in memory are proven by it and verified. OpenSSL signs otherwise there than elsewhere.
 * @throws {PortcullisError} `key_unusable`
 */
export async function requireUsableKey(pem: string): Promise<void> {
  const certificate = selfSigned(pem);
  const context = inRoom(true, () =>
    createSecureContext({ key: pem, cert: certificate, ca: certificate, minVersion: 'TLSv1.3' }),
  );
  try {
    await handshake(context);
  } catch (error) {
    throw keyFailure(error, true);
  }
}

/** For nobody outside of this process: its times are those that fit every clock (RFC 5280 §4.1.2.5). */
function selfSigned(pem: string): string {
  const [algorithm, publicKey] = withKey(pem, (key) => {
    const spki = createPublicKey(key).export({ type: 'spki', format: 'der' });
    return [keyAlgorithmOf(key), spki] as const;
  });
  if (algorithm !== 'p-256') throw new PortcullisError('key_unusable', 'a key in a TPM must be on the curve P-256');
  const signedBy = sequence(objectIdentifier(keyAlgorithms[algorithm].signature));
  const named = sequence(set(sequence(objectIdentifier(objectIdentifiers.commonName), utf8String(name))));
  const validity = sequence(time(0), time(Date.UTC(2049, 0)));
  const toBeSigned = sequence(explicit(0, integer(2)), integer(1), signedBy, named, validity, named, publicKey);
  const whole = sequence(toBeSigned, signedBy, bitString(signatureWith(pem, toBeSigned)));
  return `-----BEGIN CERTIFICATE-----\n${whole.toString('base64').replace(/(.{64})/g, '$1\n')}\n-----END CERTIFICATE-----\n`;
}

async function handshake(secureContext: SecureContext): Promise<void> {
  const [here, there] = duplexPair() as [Duplex, Duplex];
  const server = new TLSSocket(there as never, {
    isServer: true,
    secureContext,
    requestCert: true,
    rejectUnauthorized: true,
  });
  const client = connect({ socket: here, secureContext, servername: name });
  const timer = setTimeout(() => client.destroy(new Error('no handshake in memory within 20 s')), handshakeMs);
  try {
    await Promise.all([secured(server, 'secure'), secured(client, 'secureConnect')]);
  } finally {
    clearTimeout(timer);
    client.destroy();
    server.destroy();
  }
}

function secured(socket: TLSSocket, event: 'secure' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on('error', reject);
    socket.on('_tlsError', reject);
    socket.once(event, resolve);
    socket.once('close', () => reject(new Error('the handshake in memory was broken off')));
  });
}
