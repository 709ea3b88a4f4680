import { z } from 'zod';
import { Fingerprint, Revision, SubjectId, Timestamp } from './identity.ts';
import { Sequence, SequenceRun, StreamName } from './readings.ts';

/** How a seal is written: a JWS in compact form (RFC 7515 §3.1), or a COSE_Sign1 (RFC 9052 §4.2). */
export const SealForm = z.enum(['jws', 'cose']);
export type SealForm = z.infer<typeof SealForm>;

/** Seals and acknowledgements of a form travel as one body: JWS line by line, COSE_Sign1 one behind the other (RFC 8742). */
export const sealMediaTypes = { jws: 'application/jose', cose: 'application/cbor-seq' } as const satisfies Record<
  SealForm,
  string
>;

/** `typ` of what is signed (RFC 7515 §4.1.9; RFC 9596 §2): what is signed for one purpose is nothing for another. */
export const sealTypes = { jws: 'portcullis-reading+jwt', cose: 'application/portcullis-reading+cose' } as const;
export const acknowledgementTypes = {
  jws: 'portcullis-acknowledgement+jwt',
  cose: 'application/portcullis-acknowledgement+cose',
} as const;

export const sealBounds = {
  /** One seal as it travels; its readings are bounded as those of a request are (`readingBounds`). */
  sealBytesMax: 1_572_864,
  headerBytesMax: 32_768,
  /** Of one request. */
  sealsMax: 1_000,
  readingsPerSealMax: 1_000,
  /** The signer's certificate and its issuer's. */
  certificatesMax: 4,
} as const;

/**
 * The members of a seal's header that are its own; the thumbprint (`x5t#S256`, RFC 7515 §4.1.8; COSE `x5t`, RFC 9360 §2) names the
 * signer beside them. Run, number and time are those of the first reading in it.
 */
export const SealMembers = z.object({
  stream: StreamName,
  run: SequenceRun,
  seq: Sequence,
  /** The device's, in milliseconds since 1970. */
  time: z.int().min(-62_167_219_200_000).max(253_402_300_799_999),
});
export type SealMembers = z.infer<typeof SealMembers>;

/** SHA-256 of a seal as it travels: a JWS without its line's end, or the bytes of a COSE_Sign1. */
export const SealName = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
export type SealName = z.infer<typeof SealName>;

const SealAdmitted = z.object({
  seal: SealName,
  verdict: z.literal('admitted'),
  /** How many readings were in it: all of them are stored. */
  readings: z.int().positive(),
  revision: Revision,
});

/** What a device is told by HTTPS as well: `class` says what becomes of the reading, also where a later gate's reason is unknown. */
const SealRefused = z.object({
  seal: SealName,
  verdict: z.literal('refused'),
  class: z.enum(['certificate', 'gate', 'reading']),
  reason: z.string().max(128),
  title: z.string().max(1_024),
  detail: z.string().max(4_096).optional(),
  expected: z.unknown().optional(),
  found: z.unknown().optional(),
  /** Of the readings in the seal, the one that decided, from 1. */
  line: z.int().positive().optional(),
});

export const SealVerdict = z.discriminatedUnion('verdict', [SealAdmitted, SealRefused]);
export type SealVerdict = z.infer<typeof SealVerdict>;

/**
 * What a gate says, signed with its server key, of the seals of one signer that came in one request. Who made a seal believes no other
 * answer, whoever brings it.
 */
export const SealedAcknowledgement = z.object({
  gate: SubjectId,
  instance: z.string().max(64),
  time: Timestamp,
  stream: StreamName,
  /** The thumbprint that the seals name; null: of seals in which none could be read. */
  signer: Fingerprint.nullable(),
  seals: z.array(SealVerdict).min(1).max(sealBounds.sealsMax),
});
export type SealedAcknowledgement = z.infer<typeof SealedAcknowledgement>;
