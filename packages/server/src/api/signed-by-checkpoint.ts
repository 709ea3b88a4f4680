import { X509Certificate } from 'node:crypto';
import { PortcullisError, parseExactly } from '@portcullis/contract';
import { compactVerify, decodeProtectedHeader } from 'jose';
import type { z } from 'zod';
import type { By } from '../journal/journal.ts';
import type { Revocation } from '../revocation/revocation.ts';
import type { System } from '../telemetry/telemetry.ts';
import { byPeer, type Peer, requireAdmitted } from './peer.ts';

interface Parts {
  revocation: Pick<Revocation, 'find'>;
  system: System;
}

export interface SignedByCheckpoint<Said> {
  said: Said;
  peer: Peer;
  /** Whoever was cut before the change's turn is refused in it. */
  by: By;
}

/**
 * What a checkpoint signed with the key of its certificate (RFC 7515, ES256 alone), whoever carried it here: the certificate is named by its
 * SHA-256 (RFC 7515 §4.1.8), and must be admitted now. Why it is not is told to nobody. @throws {PortcullisError} `arrival_not_authentic`, `request_malformed`
 */
export async function signedByCheckpoint<Shape extends z.ZodType>(
  parts: Parts,
  token: string,
  { type, shape }: { type: string; shape: Shape },
): Promise<SignedByCheckpoint<z.infer<Shape>>> {
  const fingerprint = fingerprintIn(token, type);
  const peer = await notAuthentic(() => requireAdmitted(parts, fingerprint, ['checkpoint']));
  const row = await parts.revocation.find(peer.fingerprint);
  const payload = await notAuthentic(async () => {
    const { publicKey } = new X509Certificate(Buffer.from(row?.der ?? []));
    return (await compactVerify(token, publicKey, { algorithms: ['ES256'] })).payload;
  });
  const parsed = shape.safeParse(bodyOf(payload));
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    throw new PortcullisError('request_malformed', `what is signed: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { requireAllowed, ...by } = byPeer(parts, peer);
  return {
    said: parsed.data,
    peer,
    by: { ...by, requireAllowed: (db) => notAuthentic(async () => requireAllowed?.(db)) },
  };
}

function fingerprintIn(token: string, type: string): string {
  const header = headerOf(token);
  const thumbprint = header?.['x5t#S256'];
  if (header?.alg !== 'ES256' || header.typ !== type || typeof thumbprint !== 'string') throw refused();
  return Buffer.from(thumbprint, 'base64url').toString('hex');
}

function headerOf(token: string): Record<string, unknown> | undefined {
  try {
    return decodeProtectedHeader(token) as Record<string, unknown>;
  } catch {
    return undefined;
  }
}

function bodyOf(payload: Uint8Array): unknown {
  try {
    return parseExactly(Buffer.from(payload).toString('utf8'));
  } catch {
    return undefined;
  }
}

const refused = (cause?: unknown) =>
  new PortcullisError('arrival_not_authentic', 'it is not signed by a checkpoint that this fleet admits', { cause });

/** What fails there says something of certificates and keys; a full disk says something else. */
async function notAuthentic<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const isOther = error instanceof PortcullisError && !['not_authenticated', 'kind_not_allowed'].includes(error.code);
    throw isOther ? error : refused(error);
  }
}
