/** What two machines write for each other: the request, which is no secret, and what the new one gets, which is sealed for its key. */
import { createHash } from 'node:crypto';
import { Host, Hosts, JoinFingerprint, PortcullisError, SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import { openSealed, sealFor } from '../keys/keys.ts';

/** In `authority/` of a machine that joined. */
export const identityFileIn = 'identity.json';
export const Identity = z.object({ name: SubjectId, fingerprint: JoinFingerprint });
export type Identity = z.infer<typeof Identity>;

const Base64 = z.string().regex(/^[A-Za-z0-9+/]+={0,2}$/);
const Port = z.int().min(1).max(65_535);

const JoinRequest = z.strictObject({
  format: z.literal('portcullis-authority-request-1'),
  /** SubjectPublicKeyInfo of P-256, in base64. */
  publicKey: Base64.max(256),
  hosts: Hosts,
  listen: z.strictObject({ host: Host, apiPort: Port, enrolmentPort: Port }),
});
export type JoinRequest = z.infer<typeof JoinRequest>;

const requestBytesMax = 16 * 1024;

/** With the fingerprint of all of it. @throws {PortcullisError} `file_unusable` */
export function parseJoinRequest(bytes: Uint8Array): JoinRequest & { fingerprint: string } {
  const request = bytes.length <= requestBytesMax ? parsed(JoinRequest, bytes) : undefined;
  if (request) return { ...request, fingerprint: hashOf(bytes) };
  throw new PortcullisError('file_unusable', 'it is no request of an authority that wants to join');
}

/** A file of the fleet's directory, or one in a folder of it: no name leads out of it. */
const FileName = z
  .string()
  .max(200)
  .regex(/^[A-Za-z0-9_-][A-Za-z0-9._-]*(\/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$/);

const Carried = z.strictObject({
  fleet: z.string().max(64),
  name: SubjectId,
  /** Of the request that it answers. */
  fingerprint: JoinFingerprint,
  files: z.array(z.strictObject({ name: FileName, mode: z.int().min(0).max(0o777), bytes: z.base64() })).max(5_000),
});
export type Carried = z.infer<typeof Carried>;

const Answer = z.strictObject({
  format: z.literal('portcullis-authority-answer-1'),
  sealed: Base64,
});
const answerBytesMax = 64 * 1024 * 1024;

/** @throws {PortcullisError} `file_unusable` where the other machine would not take it */
export function sealCarried(request: JoinRequest & { fingerprint: string }, carried: Carried): Buffer {
  const wrong = Carried.safeParse(carried).error?.issues[0];
  if (wrong)
    throw new PortcullisError(
      'file_unusable',
      `the other machine would not take ${wrong.path.join('.')}: ${wrong.message}`,
    );
  const plain = Buffer.from(JSON.stringify(carried));
  const sealed = sealFor(Buffer.from(request.publicKey, 'base64'), plain, request.fingerprint);
  const answer = { format: 'portcullis-authority-answer-1', sealed: sealed.toString('base64') };
  const bytes = Buffer.from(`${JSON.stringify(answer)}\n`);
  if (bytes.length <= answerBytesMax) return bytes;
  const why = `the files come to ${bytes.length} bytes when they are sealed; the other machine takes ${answerBytesMax}`;
  throw new PortcullisError('file_unusable', why);
}

/** `key`: PKCS#8 in PEM. @throws {PortcullisError} `file_unusable`, `key_unusable` */
export function openCarried(answer: Uint8Array, key: string, fingerprint: string): Carried {
  const outer = answer.length <= answerBytesMax ? parsed(Answer, answer) : undefined;
  if (!outer) throw new PortcullisError('file_unusable', 'it is no answer to an authority that wants to join');
  const carried = parsed(Carried, openSealed(key, Buffer.from(outer.sealed, 'base64'), fingerprint));
  if (carried?.fingerprint === fingerprint) return carried;
  throw new PortcullisError('file_unusable', 'it holds nothing that this program knows');
}

export const hashOf = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

function parsed<Shape extends z.ZodType>(shape: Shape, bytes: Uint8Array): z.infer<Shape> | undefined {
  try {
    return shape.parse(JSON.parse(Buffer.from(bytes).toString('utf8')));
  } catch {
    // Of what was meant to be secret nothing is quoted.
    return undefined;
  }
}
