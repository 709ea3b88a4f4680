import { z } from 'zod';
import { AttributeName, AttributeValue } from './attributes.ts';
import { ReasonText } from './changes.ts';
import { Fingerprint, Kind, Standing, SubjectId } from './identity.ts';
import { oneOf } from './one-of.ts';
import { page, pageQuery } from './pages.ts';

/** One transaction, which no other change may wait for long. */
export const importRowsMax = 200;
/** Values of all of a request's rows. */
export const importValuesMax = 2_000;
const attributesMax = 256;
const certificatesMax = 16;
const pemLengthMax = 32_768;

const certificateMembers = {
  /** In PEM. One that the fleet does not know is taken if one of its issuers signed it. */
  certificate: z.string().max(pemLengthMax).optional(),
  /** Of one that the fleet knows; SHA-256 in hex. */
  fingerprint: Fingerprint.optional(),
  /** Left out: valid where it is new, and as it is where it is known. */
  standing: oneOf(Standing.exclude(['superseded']).options).optional(),
};

const ImportedCertificate = z
  .strictObject(certificateMembers)
  .refine(({ certificate, fingerprint }) => (certificate === undefined) !== (fingerprint === undefined), {
    error: 'name a certificate either by itself or by its fingerprint',
  });
export type ImportedCertificate = z.infer<typeof ImportedCertificate>;

/** A subject with what is said of it; what is not said stays as it is. A line of what `portcullis import` takes and `portcullis export` gives. */
export const ImportRow = z.strictObject({
  subject: SubjectId,
  /** Of one that is new: `device`, or `gateway`. Left out: as it is, and `device` where it is new. */
  kind: Kind.optional(),
  /** `null`: it has none. */
  attributes: z
    .record(AttributeName, AttributeValue.nullable())
    .refine((values) => Object.keys(values).length <= attributesMax, { error: `at most ${attributesMax}` })
    .optional(),
  /** Those of `attributes` that anybody may know; the others are private. Left out: as they are, and private where they are new. */
  public: z.array(AttributeName).max(attributesMax).optional(),
  certificates: z.array(ImportedCertificate).max(certificatesMax).optional(),
});
export type ImportRow = z.infer<typeof ImportRow>;

/** `POST /v1/imports`: rows of different subjects. One transaction, one revision; a bad row keeps no other from its place. */
export const ImportRequest = z.strictObject({
  rows: z
    .array(ImportRow)
    .min(1)
    .max(importRowsMax)
    .refine((rows) => new Set(rows.map(({ subject }) => subject)).size === rows.length, {
      error: 'a subject is named twice',
    })
    .refine((rows) => valuesOf(rows) <= importValuesMax, { error: `more than ${importValuesMax} attributes at once` }),
  /** Only looks: nothing is changed. */
  dryRun: z.boolean().optional(),
  reason: ReasonText.optional(),
});
export type ImportRequest = z.infer<typeof ImportRequest>;

const valuesOf = (rows: readonly Pick<ImportRow, 'attributes'>[]) =>
  rows.reduce((sum, { attributes = {} }) => sum + Object.keys(attributes).length, 0);

export const ImportAnswer = z.object({
  /** Of the change; where there was none, the one before. */
  revision: z.int().nonnegative(),
  created: z.int().nonnegative(),
  changed: z.int().nonnegative(),
  same: z.int().nonnegative(),
  /** Of the rows that were not taken: which, from 0, and why. */
  refused: z.array(z.object({ row: z.int().nonnegative(), code: z.string(), detail: z.string() })),
});
export type ImportAnswer = z.infer<typeof ImportAnswer>;

/** `GET /v1/exports`: subjects in the form in which an import takes them, in the order of their ids. */
export const ExportQuery = z.strictObject({
  ...pageQuery,
  limit: z.coerce.number().int().min(1).max(importRowsMax).default(importRowsMax),
  kind: Kind.optional(),
});
export type ExportQuery = z.infer<typeof ExportQuery>;
/** The same as it is answered, where a later version may say more. */
export const ExportRow = z.object({
  ...ImportRow.shape,
  certificates: z.array(z.object(certificateMembers)).optional(),
});
export type ExportRow = z.infer<typeof ExportRow>;
export const ExportPage = page(ExportRow);
