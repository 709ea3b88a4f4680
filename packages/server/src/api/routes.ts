/** The map of the authority's HTTP: what there is, whom it admits, what it takes and answers. */
import { alertsRoutes } from './alerts.ts';
import { attributesRoutes } from './attributes.ts';
import { authoritiesRoutes } from './authorities.ts';
import { certificatesRoutes } from './certificates.ts';
import { changesRoutes } from './changes.ts';
import { codesRoutes } from './codes.ts';
import { deskArrivalsRoutes } from './desk-arrivals.ts';
import { desksRoutes } from './desks.ts';
import { edgesRoutes } from './edges.ts';
import { enrolmentRoutes } from './enrolments.ts';
import { estRoutes } from './est.ts';
import { gatesRoutes } from './gates.ts';
import { holdsRoutes } from './holds.ts';
import { importRoutes } from './imports.ts';
import { keyCredentialsRoutes } from './key-credentials.ts';
import { ocspCertificatesRoutes } from './ocsp-certificates.ts';
import { revocationListsRoutes } from './revocation-lists.ts';
import { rolloversRoutes } from './rollovers.ts';
import type { Route } from './route.ts';
import { rulesRoutes } from './rules.ts';
import { selectionRoutes } from './selections.ts';
import { shipmentsRoutes } from './shipments.ts';
import { signalRoutes } from './signal-deliveries.ts';
import { statusRoutes } from './status.ts';
import { subjectsRoutes } from './subjects.ts';
import { tokensRoutes } from './tokens.ts';
import { usesRoutes } from './uses.ts';

/** On the API listener: mTLS, a kind for each route. */
export const apiRoutes: readonly Route[] = [
  ...statusRoutes,
  ...subjectsRoutes,
  ...attributesRoutes,
  ...selectionRoutes,
  ...importRoutes,
  ...certificatesRoutes,
  ...revocationListsRoutes,
  ...ocspCertificatesRoutes,
  ...rolloversRoutes,
  ...authoritiesRoutes,
  ...tokensRoutes,
  ...keyCredentialsRoutes,
  ...changesRoutes,
  ...alertsRoutes,
  ...rulesRoutes,
  ...gatesRoutes,
  ...edgesRoutes,
  ...usesRoutes,
  ...desksRoutes,
  ...estRoutes,
  ...codesRoutes,
  ...holdsRoutes,
  ...signalRoutes,
  ...shipmentsRoutes,
  ...deskArrivalsRoutes,
];

/** On the enrolment listener: server certificate only. */
export const openRoutes: readonly Route[] = enrolmentRoutes;

/** On the listener of sources, where there are any without a client certificate. */
export { sourceRoutes } from './signal-deliveries.ts';
