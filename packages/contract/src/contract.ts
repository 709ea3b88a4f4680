/**
 * What travels between devices, gates and the authority: shapes with their checks, and the two closed tables of codes.
 * Promises: every byte from outside is parsed by one of these schemas; every refusal carries a code of `reasons.ts`;
 * every failure carries a code of `errors.ts`. Refuses to know: disks, networks, clocks, keys.
 */

export * from './attributes.ts';
export * from './changes.ts';
export * from './enrolment.ts';
export * from './errors.ts';
export * from './feed.ts';
export * from './identity.ts';
export * from './object-identifiers.ts';
export * from './operations.ts';
export * from './readings.ts';
export * from './reasons.ts';
