/**
 * Subjects, attributes and certificates in one form: how they come in from elsewhere, many at a time, and go out.
 * - A row is taken whole or not at all, and a bad one keeps no other from its place; the same again changes nothing.
 * - A certificate is taken only where one of the fleet's issuers signed it (P3), and only for devices and gateways.
 * - Nothing that is cut comes back by an import (P9).
 * Refuses to know: files, and how rows travel.
 */
export { type Imports, openImports } from './open.ts';
