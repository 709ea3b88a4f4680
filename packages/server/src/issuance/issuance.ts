/**
 * Profile → checked request → permit → certificate.
 * - Nothing is signed that was not checked: `issue` takes a permit, only `check` makes one, and it is used once.
 * - A client certificate is for whom the policy of its kind allows it, whatever way the request came.
 * - Names, usages and lifetime come from the profile and the subject's record; from the request, only the public key (P1).
 * - A serial is on disk before anything is signed with it.
 * Refuses to know: who may ask (enrolment), and whether a certificate is still good (revocation).
 */

export { broughtRoot } from './brought-root.ts';
export { HeldKeys } from './held-keys.ts';
export type { SignedCertificate } from './issue.ts';
export type { FleetIssuer } from './issuers.ts';
export { type Label, type Labels, openLabels } from './labels.ts';
export { lostWords } from './lost-keys.ts';
export { makeFleet, type NamedIssuer, storeFleet } from './make-fleet.ts';
export { openIssuance } from './open.ts';
export { type Lifetimes, renewalWindowMs, usualLifetimes } from './profiles.ts';
export type { Bundle, ForeignCertificate, Issuance } from './promises.ts';
export { type Asking, problemsOfPolicies, tryPolicy } from './request-policies.ts';
export { keyOfRoot, makeRoot, type Root, signIssuer } from './root.ts';
export {
  answerRequest,
  askRoot,
  keysAsked,
  listIn,
  parseRootAnswer,
  parseRootRequest,
  type RootAnswer,
  type RootRequest,
  rootIn,
  type ShownKey,
  takeAnswer,
} from './root-ceremony.ts';
export { makeRootList, RootListState, rootListDays, withRevoked } from './root-list.ts';
