/**
 * What travels between devices, gates and the authority: shapes with their checks, and the two closed tables of codes.
 * Promises: every byte from outside is parsed by one of these schemas; every refusal carries a code of `reasons.ts`;
 * every failure carries a code of `errors.ts`. What is asked is checked strictly, since a member that a server does not know is
 * one that it can not heed; what is answered, and what lies on disk, may hold members of a later version, which are ignored.
 * Refuses to know: disks, networks, clocks, keys.
 */

export * from './alerts.ts';
export * from './attributes.ts';
export * from './authorities.ts';
export * from './certificates.ts';
export * from './changes.ts';
export { counted } from './counted.ts';
export * from './decide.ts';
export * as der from './der.ts';
export * from './desk.ts';
export * from './edges.ts';
export * from './enrolment.ts';
export * from './errors.ts';
export * from './est.ts';
export {
  InexactNumber,
  inexactNumberIn,
  inexactNumberWords,
  isExactNumber,
  parseExactly,
  prototypeName,
  readExactJson,
} from './exact-number.ts';
export * from './excursions.ts';
export * from './feed.ts';
export * from './holds.ts';
export * from './host.ts';
export * from './identity.ts';
export * from './imports.ts';
export * from './journeys.ts';
export { type JsonRefused, JsonText, jsonDepthMax, readJson } from './json-text.ts';
export * from './key-algorithms.ts';
export * from './key-credentials.ts';
export * from './labels.ts';
export * from './missing-readings.ts';
export * from './object-identifiers.ts';
export { oneOf } from './one-of.ts';
export * from './operations.ts';
export * from './own-account.ts';
export * from './packed-subjects.ts';
export { PageQuery, page, pageItemsMax } from './pages.ts';
export * from './plain-text.ts';
export * from './public.ts';
export * from './readings.ts';
export * from './reasons.ts';
export * from './refused-readings.ts';
export * from './revocation-lists.ts';
export * from './rollovers.ts';
export * from './sealed.ts';
export * from './selections.ts';
export * from './signal-answer.ts';
export * from './signals.ts';
export * from './signed-answer.ts';
export * from './standings-feed.ts';
export * from './tokens.ts';
export * from './told-rules.ts';
