import { z } from 'zod';
import { oneOf } from './one-of.ts';

/** What a subject is. Fixed for the subject's life. */
export const Kind = oneOf([
  'device',
  'gateway',
  'shipment',
  'gate',
  'desk',
  'authority',
  'operator',
  'monitor',
  'checkpoint',
]);
export type Kind = z.infer<typeof Kind>;

export const subjectIdLengthMax = 63;
export const subjectIdPattern = /^[a-z0-9][a-z0-9._-]{0,62}$/;
export const SubjectId = z
  .string()
  .regex(subjectIdPattern, { error: ({ input }) => subjectIdAdvice(String(input)) })
  .brand<'SubjectId'>();
export type SubjectId = z.infer<typeof SubjectId>;

/** Serial numbers and MAC addresses have capitals and colons: how they are written as an id. */
function subjectIdAdvice(text: string): string {
  const rule = 'must match [a-z0-9][a-z0-9._-]{0,62}';
  const written = text
    .slice(0, 4 * subjectIdLengthMax)
    .toLowerCase()
    .replaceAll(/[^a-z0-9._-]+/g, '-')
    .replace(/^[^a-z0-9]+/, '')
    .slice(0, subjectIdLengthMax)
    .replace(/-+$/, '');
  return written === '' ? rule : `${rule}; write "${written}", and keep the original with "token create --label"`;
}

/** The trust domain's name: the host part of each certificate's SPIFFE URI. Same alphabet as a subject id. */
export const FleetName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must match [a-z0-9][a-z0-9._-]{0,62}')
  .brand<'FleetName'>();
export type FleetName = z.infer<typeof FleetName>;

/** SHA-256 of a leaf certificate's DER: 64 lower-case hex digits. */
export const Fingerprint = z
  .string()
  .regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits')
  .brand<'Fingerprint'>();
export type Fingerprint = z.infer<typeof Fingerprint>;

/** A fingerprint in any usual form (colons, spaces, upper case, `SHA256:` or `sha256 Fingerprint=` before it), or undefined. */
export function readFingerprint(text: string): Fingerprint | undefined {
  const digits = text
    .replace(/^\s*sha-?256(\s+fingerprint)?\s*[:=]/i, '')
    .replace(/[\s:]/g, '')
    .toLowerCase();
  const parsed = Fingerprint.safeParse(digits);
  return parsed.success ? parsed.data : undefined;
}

export const Standing = oneOf(['valid', 'suspended', 'revoked', 'superseded']);
export type Standing = z.infer<typeof Standing>;

/** What a leaf may be used for: its extended key usage. */
export const Purpose = z.enum(['client', 'server', 'publication', 'label', 'ocsp']);
export type Purpose = z.infer<typeof Purpose>;

/** The URI that each leaf carries as subject alternative name. */
export function subjectUri(fleet: FleetName, kind: Kind, subject: SubjectId): string {
  return `spiffe://${fleet}/${kind}/${subject}`;
}

export interface SubjectName {
  fleet: FleetName;
  kind: Kind;
  subject: SubjectId;
}

/** The parts of a subject URI, or undefined when it is not one. */
export function parseSubjectUri(uri: string): SubjectName | undefined {
  const [fleet, kind, subject, ...rest] = uri.startsWith('spiffe://') ? uri.slice('spiffe://'.length).split('/') : [];
  if (rest.length > 0) return undefined;
  const parsed = z.object({ fleet: FleetName, kind: Kind, subject: SubjectId }).safeParse({ fleet, kind, subject });
  return parsed.success ? parsed.data : undefined;
}

/** RFC 3339 in UTC with milliseconds, as all times are printed. */
export const Timestamp = z.iso.datetime({ precision: 3 });
export type Timestamp = string;

/** The fleet-wide number of a change: gap-free, ever growing. 0 is "before the first". */
export const Revision = z.int().nonnegative();
export type Revision = number;

/** SHA-256 of a journal entry, 64 hex digits. */
export const JournalHash = z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 lower-case hex digits');
export type JournalHash = string;
