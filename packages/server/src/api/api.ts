/**
 * The authority's HTTP: the API for operators and gates (mTLS), and enrolment (server certificate only), each on a listener
 * of its own.
 * - Who calls is judged on every request, before its body and after: the leaf's fingerprint is a row of valid standing, and the
 *   route admits its kind. A change looks at that once more in its own transaction.
 * - Every answer that is not a success is RFC 9457 with a code of the closed table.
 * Refuses to know: how anything is stored or decided.
 */

export { describeApi, listRoutes } from './describe.ts';
export { type Api, type ApiParts, openApi } from './open.ts';
export { StandingBy } from './standing-by.ts';
