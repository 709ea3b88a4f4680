import assert from 'node:assert/strict';
import { createHash, type KeyObject } from 'node:crypto';
import {
  type FleetName,
  type KeyAlgorithm,
  type Kind,
  keyAlgorithmOf,
  PortcullisError,
  type SubjectId,
  subjectUri,
} from '@portcullis/contract';
import { parseRequestAside } from '../pki/pki.ts';
import { lostWords } from './lost-keys.ts';
import { clientProfile, type Lifetimes, type Profile, profileFor } from './profiles.ts';
import type { Asking, RequestPolicies } from './request-policies.ts';

interface Wanted {
  /** Given: a client certificate, for who asks. */
  asking?: Asking;
  /** Given: a server certificate for these names and addresses. */
  hosts?: string[];
  /** Given: a desk's certificate for signing public answers. */
  publication?: true;
  /** Given: a certificate whose key signs one statement, and authenticates nobody. */
  label?: true;
  /** Given: a desk's certificate for answers in the name of the issuer with this certificate, by fingerprint. */
  answersFor?: string;
  /** Given: a client certificate that is put on no record, to see whether it would be taken; no policy is asked. */
  trial?: true;
}

/** One of what may be wanted is said: for a client certificate always who asks, so that no way around the policy of its kind is open. */
export type CheckRequest = { subject: string; kind: Kind /** PKCS#10 in DER. */; request: Uint8Array } & Wanted &
  { [Name in keyof Wanted]-?: Required<Pick<Wanted, Name>> }[keyof Wanted];

/** What a permit permits: everything that will be signed but serial and time. */
export interface Permitted {
  subject: SubjectId;
  kind: Kind;
  profile: Profile;
  publicKey: Buffer;
  uri: string;
  hosts: string[];
  /** The fingerprint of the certificate of the issuer that has to sign it; undefined: whichever signs for the profile. */
  issuer: string | undefined;
}

/** Only `check` can make one, and it is spent by the first `issue`. */
export class Permit {
  static readonly #unspent = new WeakMap<Permit, Permitted>();

  /** Called by `check` alone: the class is exported as a type. */
  static of(permitted: Permitted): Permit {
    const permit = new Permit(permitted);
    Permit.#unspent.set(permit, permitted);
    return permit;
  }

  /** SHA-256 of the public key that was asked for: what a token binds to. */
  readonly keyHash: string;

  private constructor(permitted: Permitted) {
    this.keyHash = createHash('sha256').update(permitted.publicKey).digest('hex');
  }

  static spend(permit: Permit): Permitted {
    const permitted = Permit.#unspent.get(permit);
    assert(permitted !== undefined, 'a permit is made by check, and spent once');
    Permit.#unspent.delete(permit);
    return permitted;
  }
}

export interface CheckParts {
  fleet: FleetName;
  lifetimes: Lifetimes;
  /** By kind that asks, what its keys may be of; undefined: whatever a request may bring. */
  taken(kind: Kind): readonly KeyAlgorithm[] | undefined;
  policies: RequestPolicies;
  /** How long a certificate of a profile would be valid from now on. */
  validMs(profile: Profile): number;
  /** Whether a certificate of this key was revoked because somebody else has it. `keyHash`: SHA-256 of its SubjectPublicKeyInfo, in hex. */
  isLost(keyHash: string): Promise<boolean>;
}

export async function check(
  { fleet, lifetimes, taken, policies, validMs, isLost }: CheckParts,
  asked: CheckRequest,
): Promise<Permit> {
  const { publicKey, key } = await parseRequestAside(asked.request);
  const subject = asked.subject as SubjectId;
  const profile = profileOf(asked, lifetimes);
  // The others are made by our own processes, as the client's own key is.
  if (profile.purpose === 'client') requireTaken(key, asked.kind, taken(asked.kind));
  if (profile.purpose === 'client' && !asked.trial) {
    const { asking } = asked;
    assert(asking !== undefined, 'who asks for a client certificate is said');
    await policies.require({ ...asked, key, validMs: validMs(profile), asking });
  }
  const uri = subjectUri(fleet, asked.kind, subject);
  const { kind, hosts = [], answersFor: issuer } = asked;
  const permit = Permit.of({ subject, kind, profile, publicKey, uri, hosts, issuer });
  if (!(await isLost(permit.keyHash))) return permit;
  throw new PortcullisError('key_refused', lostWords);
}

function requireTaken(key: KeyObject, kind: Kind, taken: readonly KeyAlgorithm[] | undefined): void {
  if (!taken) return;
  const found = keyAlgorithmOf(key) ?? `of ${key.asymmetricKeyType}`;
  if (taken.some((one) => one === found)) return;
  const words = `the public key is ${found}; of a ${kind} it must be one of [${taken.join(', ')}]`;
  throw new PortcullisError('key_refused', words, { detail: { expected: taken, found } });
}

function profileOf({ kind, hosts, publication, label, answersFor }: CheckRequest, lifetimes: Lifetimes): Profile {
  if (answersFor !== undefined) return profileFor('ocsp', lifetimes);
  if (publication) return profileFor('publication', lifetimes);
  if (label) return profileFor('label', lifetimes);
  if (hosts) return profileFor('server', lifetimes);
  if (kind !== 'authority') return clientProfile(kind, lifetimes);
  throw new PortcullisError('request_malformed', 'the kind "authority" has no client certificate');
}
