/**
 * Where the root's key is on another machine, files are carried: the issuers ask in one, the root answers in another. Neither holds a secret; what makes
 * either good is that the people who carry them compare the hashes of the keys that both machines show.
 */
import { createHash } from 'node:crypto';
import { FleetName, type KeyAlgorithm, PortcullisError } from '@portcullis/contract';
import { z } from 'zod';
import type { Keys } from '../keys/keys.ts';
import {
  fromPem,
  isListOf,
  isSignedBy,
  makeRequest,
  parseRequest,
  readAuthority,
  readCertificate,
  readList,
  toPem,
} from '../pki/pki.ts';
import type { System } from '../telemetry/telemetry.ts';
import { type Begun, firstNamed, type NamedIssuer } from './make-fleet.ts';
import { type Root, signIssuer } from './root.ts';

const Pem = z.string().max(32_768);
const KeyName = z.string().regex(/^issuer-[a-z0-9][a-z0-9-]{0,54}$/);
/** A common name has at most 64 characters (RFC 5280 appendix A, ub-common-name). */
const IssuerName = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/);
const RootName = IssuerName;
/** Those that a fleet begins with are two; later ones ask in the same form. */
const issuersMax = 64;

/** What a fleet asks its root for. */
const RootRequest = z.strictObject({
  format: z.literal('portcullis-root-request-1'),
  fleet: FleetName,
  publicUrl: z
    .url({ protocol: /^http$/ })
    .max(1_024)
    .optional(),
  /** Of a later root than the fleet's first: a name of its own. */
  root: z.strictObject({ name: RootName }).optional(),
  issuers: z
    .array(z.strictObject({ key: KeyName, name: IssuerName, request: Pem }))
    .min(1)
    .max(issuersMax),
});
export type RootRequest = z.infer<typeof RootRequest>;

/** What the root answers. */
const RootAnswer = z.strictObject({
  format: z.literal('portcullis-root-answer-1'),
  fleet: FleetName,
  root: Pem,
  issuers: z
    .array(z.strictObject({ key: KeyName, certificate: Pem }))
    .min(1)
    .max(issuersMax),
  /** Of what the root revoked: its list, in PEM. */
  list: z.string().max(98_304).optional(),
});
export type RootAnswer = z.infer<typeof RootAnswer>;

/** SHA-256 of a key (SubjectPublicKeyInfo), as people compare it. */
export interface ShownKey {
  name: string;
  sha256: string;
}

const shown = (name: string, publicKey: Buffer): ShownKey => ({
  name,
  sha256: createHash('sha256').update(publicKey).digest('hex'),
});

/** Makes the issuers' keys: those that a fleet begins with, or others. @throws {PortcullisError} `key_unusable` */
export async function askRoot({
  keys,
  fleet,
  publicUrl,
  algorithm,
  issuers = firstNamed(fleet),
  root,
}: {
  keys: Keys;
  fleet: FleetName;
  publicUrl?: string | undefined;
  /** Of the keys that are made; not given: P-256. */
  algorithm?: KeyAlgorithm | undefined;
  issuers?: readonly NamedIssuer[];
  /** One that there is not yet. */
  root?: { name: string } | undefined;
}): Promise<{ request: RootRequest; keys: ShownKey[] }> {
  const asked: RootRequest['issuers'] = [];
  const made: ShownKey[] = [];
  for (const { key, name: subject } of issuers) {
    const signer = await keys.create(key, algorithm);
    const request = await makeRequest({ subject, publicKey: signer.publicKey }, signer);
    asked.push({ key, name: subject, request: toPem('CERTIFICATE REQUEST', request) });
    made.push(shown(subject, signer.publicKey));
  }
  const request: RootRequest = {
    format: 'portcullis-root-request-1',
    fleet,
    ...(publicUrl && { publicUrl }),
    ...(root && { root }),
    issuers: asked,
  };
  return { request, keys: made };
}

/** @throws {PortcullisError} `file_unusable` */
export function parseRootRequest(text: string): RootRequest {
  return parsed(RootRequest, text, 'request to a root, as "portcullis init --root-request" writes it');
}

/** @throws {PortcullisError} `file_unusable` */
export function parseRootAnswer(text: string): RootAnswer {
  return parsed(RootAnswer, text, 'answer of a root, as "portcullis root sign" writes it');
}

function parsed<Value>(shape: z.ZodType<Value>, text: string, what: string): Value {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw unusable(`this is no ${what}: it is not JSON`, cause);
  }
  const result = shape.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  throw unusable(`this is no ${what}: "${issue?.path.join('.')}": ${issue?.message}`);
}

/**
 * At the root. An issuer gets a name of its fleet and the limits that each has: of what is in a request's PKCS#10 nothing is taken but its key (P1).
 * @throws {PortcullisError} `file_unusable`, and those of `parseRequest`
 */
export async function answerRequest(
  root: Root,
  request: RootRequest,
  system: System,
): Promise<{ answer: RootAnswer; keys: ShownKey[] }> {
  const { fleet, publicUrl } = request;
  if (request.root && request.root.name !== root.name) {
    throw unusable(
      `it is for a root "${request.root.name}", and this is "${root.name}": "portcullis root create" makes one`,
    );
  }
  requireOwnNames(root, request);
  const issuers: RootAnswer['issuers'] = [];
  const signed: ShownKey[] = [];
  for (const asked of request.issuers) {
    const { key, name: subject } = asked;
    const publicKey = keyAsked(asked);
    const certificate = await signIssuer(root, { subject, publicKey, publicUrl }, system);
    issuers.push({ key, certificate: toPem('CERTIFICATE', certificate) });
    signed.push(shown(subject, publicKey));
  }
  const answer = {
    format: 'portcullis-root-answer-1',
    fleet,
    root: toPem('CERTIFICATE', root.certificate),
    issuers,
  } as const;
  return { answer, keys: signed };
}

function keyAsked({ key, request }: RootRequest['issuers'][number]): Buffer {
  const [der] = fromPem('CERTIFICATE REQUEST', request);
  if (!der) throw unusable(`it has no request in PEM for "${key}"`);
  return parseRequest(der).publicKey;
}

/** What the machine of the root will show of a request. @throws {PortcullisError} those of `answerRequest` */
export const keysAsked = ({ issuers }: RootRequest): ShownKey[] =>
  issuers.map((asked) => shown(asked.name, keyAsked(asked)));

/** What the machine of the root showed as its own key. @throws {PortcullisError} `file_unusable` */
export function rootIn({ root }: RootAnswer): ShownKey {
  const { subject, publicKey } = readCertificate(oneCertificate(root, 'root'));
  return shown(subject, publicKey);
}

/** Each has a name of its own, which says whose it is; none has the root's. */
function requireOwnNames(root: Root, { fleet, issuers }: RootRequest): void {
  for (const { name } of issuers) {
    const own = name.startsWith(`${fleet} `) && name.endsWith(' issuer') && name !== root.name;
    if (!own) throw unusable(`"${name}" is no name of an issuer of ${fleet}; it must be "${fleet} … issuer"`);
  }
  for (const member of ['key', 'name'] as const) {
    const twice = issuers.find((one, index) => issuers.findIndex((other) => other[member] === one[member]) < index);
    if (twice) throw unusable(`it asks twice for "${twice[member]}"`);
  }
}

/**
 * At the fleet: what came back is for its own keys, by one root that is what it says, and good now.
 * @throws {PortcullisError} `file_unusable`, `key_unusable`
 */
export async function takeAnswer(
  answer: RootAnswer,
  {
    keys,
    fleet,
    now,
    asked = firstNamed(fleet),
    root: named,
  }: { keys: Keys; fleet: FleetName; now: number; asked?: readonly NamedIssuer[]; root?: string },
): Promise<{ begun: Begun; root: ShownKey }> {
  if (answer.fleet !== fleet) throw unusable(`it is for ${answer.fleet}, and this is ${fleet}`);
  const root = oneCertificate(answer.root, 'root');
  const { selfSigned, authority, mayCertify, name } = readAuthority(root);
  if (named !== undefined && name !== named) throw unusable(`it is of the root "${name}", and "${named}" was asked`);
  if (!selfSigned || !authority || mayCertify !== true) throw unusable(`"${name}" is no root`);
  const rootFacts = readCertificate(root);
  requireGood(rootFacts, now);
  const issuers: Begun['issuers'] = [];
  for (const { key, role, name: subject } of asked) {
    const answered = answer.issuers.find((one) => one.key === key);
    const certificate = oneCertificate(answered?.certificate ?? '', key);
    requireIssuer(certificate, { root, subject, now });
    const { publicKey } = await keys.open(key);
    if (!publicKey.equals(readCertificate(certificate).publicKey)) {
      throw unusable(`its certificate of "${key}" is for another key: it answers an earlier request`);
    }
    issuers.push({ key, role, certificate });
  }
  const list = listIn(answer);
  if (list) requireListOf(root, list, now);
  return { begun: { fleet, root, issuers, ...(list && { list }) }, root: shown(name, rootFacts.publicKey) };
}

/** In DER; undefined: it has none. @throws {PortcullisError} `file_unusable` */
export function listIn({ list }: RootAnswer): Buffer | undefined {
  if (list === undefined) return undefined;
  const [der, ...more] = fromPem('X509 CRL', list);
  if (!der || more.length > 0) throw unusable('it must hold one list of revoked certificates');
  return der;
}

function requireListOf(root: Buffer, der: Buffer, now: number): void {
  const list = readList(der);
  if (!isListOf(list, root)) throw unusable('its root did not sign its list of revoked certificates');
  if (list.thisUpdate <= now && now < list.nextUpdate) return;
  const [from, to] = [list.thisUpdate, list.nextUpdate].map((time) => new Date(time).toISOString());
  throw unusable(`its list holds from ${from} to ${to}, which is not now: look at the clocks of both machines`);
}

function requireIssuer(
  certificate: Buffer,
  { root, subject, now }: { root: Buffer; subject: string; now: number },
): void {
  const facts = readCertificate(certificate);
  const { authority, mayCertify, pathLength } = readAuthority(certificate);
  if (facts.subject !== subject) throw unusable(`it names "${facts.subject}" where "${subject}" was asked for`);
  if (!isSignedBy(certificate, root)) throw unusable(`its root did not sign "${subject}"`);
  if (!authority || mayCertify !== true || pathLength !== 0) {
    throw unusable(`"${subject}" must be an authority that signs certificates, with no other below it (path length 0)`);
  }
  requireGood(facts, now);
}

function requireGood(
  { subject, notBefore, notAfter }: { subject: string; notBefore: number; notAfter: number },
  now: number,
): void {
  if (notBefore <= now && now < notAfter) return;
  const [from, to] = [notBefore, notAfter].map((time) => new Date(time).toISOString());
  throw unusable(`"${subject}" is good from ${from} to ${to}, which is not now: look at the clocks of both machines`);
}

function oneCertificate(text: string, what: string): Buffer {
  const [der, ...more] = fromPem('CERTIFICATE', text);
  if (!der || more.length > 0) throw unusable(`it must hold one certificate of "${what}"`);
  return der;
}

function unusable(why: string, cause?: unknown): PortcullisError {
  return new PortcullisError('file_unusable', why, { cause });
}
