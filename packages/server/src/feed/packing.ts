import { constants, zstdCompressSync } from 'node:zlib';
import type { PackedSubjects } from '@portcullis/contract';
import type { FactRow, OriginRow, Page } from './snapshot-page.ts';

/** What is left are fingerprints, which nothing makes shorter: the quickest level is as good as the others. */
const options = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** `bytes`: how many they were. */
export function packedData(page: Page): { data: string; bytes: number } {
  const text = JSON.stringify(packed(page));
  return { data: zstdCompressSync(text, options).toString('base64'), bytes: text.length };
}

function packed({ subjects, attributes, certificates }: Page): PackedSubjects {
  const places = new Map(subjects.map(({ id }, place) => [id, place]));
  const actors = new Map<string, number>();
  const origins = (rows: readonly (OriginRow & { subject: string })[]) => ({
    of: rows.map(({ subject }) => places.get(subject) as number),
    revision: rows.map(({ revision }) => revision),
    by: rows.map(({ changedBy }) => placeOf(changedBy, actors)),
    at: rows.map(({ changedAt }) => changedAt),
  });
  const ofName = ([name, rows]: [string, FactRow[]]) => ({
    name,
    value: rows.map(({ value }) => value),
    public: rows.map((row) => (row.public ? (1 as const) : (0 as const))),
    ...origins(rows),
  });
  const told = {
    subject: subjects.map(({ id }) => id),
    kind: subjects.map(({ kind }) => kind),
    revision: subjects.map(({ revision }) => revision),
    attributes: [...Map.groupBy(attributes, ({ name }) => name)].map(ofName),
    certificates: {
      fingerprints: certificates.map(({ fingerprint }) => fingerprint).join(''),
      standing: certificates.map(({ standing }) => standing),
      notBefore: certificates.map(({ notBefore }) => notBefore),
      notAfter: certificates.map(({ notAfter }) => notAfter),
      ...origins(certificates),
    },
  };
  return { ...told, actors: [...actors.keys()] } as PackedSubjects;
}

function placeOf(actor: string, actors: Map<string, number>): number {
  const known = actors.get(actor);
  if (known !== undefined) return known;
  actors.set(actor, actors.size);
  return actors.size - 1;
}
