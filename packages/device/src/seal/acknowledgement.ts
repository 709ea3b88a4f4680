import type { KeyObject, X509Certificate } from 'node:crypto';
import {
  acknowledgementTypes,
  objectIdentifiers,
  PortcullisError,
  SealedAcknowledgement,
  type SealForm,
} from '@portcullis/contract';
import { certificateIn, chainComplaint, isValidAt } from '../credential/chain.ts';
import { subjectNamesIn } from '../link/subject-names.ts';
import { algorithmOf } from './algorithms.ts';
import { messageRefused, readMessage, writeMessage } from './message.ts';

/** A gate's server key, its certificate and its issuer's, in DER. */
export interface GateSigner {
  key: KeyObject;
  chain: readonly [Buffer, Buffer, ...Buffer[]];
}

export interface AcknowledgementTrust {
  /** The fleet's roots, in PEM. */
  roots: string;
  /** The name of the fleet that the device is of. */
  fleet: string;
  /** Milliseconds since 1970, by the device. */
  now: number;
  /** When the seals that it may speak of were made, the earliest of them: what is older was signed for others. */
  since: number;
}

/** Clocks differ as much at most (`clock_too_far_off`). */
const skewMsMax = 300_000;

export function makeAcknowledgement(form: SealForm, { key, chain }: GateSigner, said: SealedAcknowledgement): Buffer {
  const algorithm = algorithmOf(key);
  if (!algorithm) throw new TypeError('a gate signs with a key of P-256, ML-DSA or Ed25519');
  const header = { algorithm, type: acknowledgementTypes[form], chain, members: {} };
  return writeMessage(form, header, Buffer.from(JSON.stringify(said)), key);
}

/**
 * What a gate of the fleet said, whoever brought it: signed by a server's certificate with the role `gate`, whose chain ended at a root
 * of ours at the time that it names, and which is not before the seals.
 * @throws {PortcullisError} `acknowledgement_not_verified`
 */
export function openAcknowledgement(bytes: Buffer, form: SealForm, trust: AcknowledgementTrust): SealedAcknowledgement {
  const message = readMessage(bytes, form);
  if ('refused' in message) throw notVerified(message.detail);
  if (message.header.type !== acknowledgementTypes[form]) throw notVerified('it is signed for another purpose');
  const [leaf, issuer] = message.header.chain.map(certificateIn);
  if (!leaf || !issuer) throw notVerified('it came without the certificates of a gate');
  const gate = gateIn(leaf, trust.fleet);
  const why = chainComplaint(leaf, issuer, trust.roots);
  if (why !== undefined) throw notVerified(`the certificate of its signer ${why}`);
  const refused = messageRefused(message, leaf.publicKey);
  if (refused) throw notVerified(refused.detail);
  const parsed = SealedAcknowledgement.safeParse(parse(message.payload));
  if (!parsed.success) throw notVerified('what is signed does not fit its schema');
  if (parsed.data.gate !== gate) throw notVerified(`"${gate}" speaks for "${parsed.data.gate}"`);
  requireTime(Date.parse(parsed.data.time), [leaf, issuer], trust);
  return parsed.data;
}

function gateIn(leaf: X509Certificate, ofFleet: string): string {
  const gate = subjectNamesIn(leaf.subjectAltName).find(({ kind, fleet }) => kind === 'gate' && fleet === ofFleet);
  const usages: readonly string[] = leaf.keyUsage ?? [];
  if (gate && usages.includes(objectIdentifiers.serverAuth)) return gate.subject;
  throw notVerified(
    `it is signed by [${leaf.subjectAltName ?? ''}], which is no server's certificate of a gate of "${ofFleet}"`,
  );
}

function requireTime(at: number, signers: readonly X509Certificate[], { now, since }: AcknowledgementTrust): void {
  if (!signers.every((signer) => isValidAt(signer, at)))
    throw notVerified("its signer's certificate was not valid then");
  if (at > now + skewMsMax) throw notVerified('it is of a time that is still to come');
  if (at < since - skewMsMax) throw notVerified('it is older than the seals that it was asked for');
}

function parse(payload: Buffer): unknown {
  try {
    return JSON.parse(payload.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}

const notVerified = (why: string) => new PortcullisError('acknowledgement_not_verified', why);
