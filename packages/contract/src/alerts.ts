import { z } from 'zod';
import { ReasonText } from './changes.ts';
import { SubjectId, Timestamp } from './identity.ts';
import { oneOf } from './one-of.ts';
import { pageQuery } from './pages.ts';

/**
 * What the outside is told of. `lasts`: it goes on until it is settled, and is told again meanwhile; the others are one moment.
 * `severity` is what receivers sort by.
 */
export const alertKinds = {
  out_of_sequence: { severity: 'warning', lasts: false, title: 'an arrival that the journey does not expect' },
  breach: { severity: 'critical', lasts: true, title: 'readings were outside of a rule for too long' },
  breach_after_delivery: { severity: 'critical', lasts: false, title: 'a breach was proven of what is delivered' },
  silence: { severity: 'warning', lasts: true, title: 'no reading for too long' },
  late: { severity: 'warning', lasts: true, title: 'a step of a journey is late' },
  refusals: { severity: 'warning', lasts: true, title: 'a subject is refused again and again' },
  missing: { severity: 'warning', lasts: true, title: 'readings that a device counted never came' },
  lease_lost: { severity: 'critical', lasts: true, title: 'a gate let its lease run out' },
  certificate_expiring: { severity: 'warning', lasts: true, title: 'a certificate ends soon, and none follows it' },
  issuer_ending: { severity: 'warning', lasts: true, title: 'an issuer or the root ends within a year' },
  issuer_filling: { severity: 'warning', lasts: true, title: 'the issuers for devices are nearly full' },
  list_ending: {
    severity: 'warning',
    lasts: true,
    title: 'a list of revoked certificates ends soon, and nobody here can make the next one',
  },
  clone_suspected: { severity: 'critical', lasts: false, title: 'two hold what one should' },
  journal_damaged: { severity: 'critical', lasts: true, title: 'the journal was edited or cut' },
  signal_refused: { severity: 'warning', lasts: false, title: 'a signal could not be acted on' },
  signal_limit: { severity: 'critical', lasts: true, title: 'a source asks for more than it may: holds wait' },
  arrival_pending: { severity: 'warning', lasts: true, title: 'an arrival waits for those before it' },
  test: { severity: 'warning', lasts: false, title: 'an operator looks whether alerts arrive' },
  outbox_dead: { severity: 'critical', lasts: true, title: 'a target of alerts could not be told' },
} as const satisfies Record<string, { severity: 'warning' | 'critical'; lasts: boolean; title: string }>;

export type AlertKind = keyof typeof alertKinds;
export const AlertKind = oneOf(Object.keys(alertKinds) as [AlertKind, ...AlertKind[]]);

/** What one message to a target says: that they are there, or that they are over. */
export const AlertPhase = z.enum(['raised', 'settled']);
export type AlertPhase = z.infer<typeof AlertPhase>;

/** `dead`: it could not be told for a day. `withdrawn`: what it was for is over, or `fleet.yaml` names its target no more. */
export const TellingState = z.enum(['waiting', 'told', 'dead', 'withdrawn']);
export type TellingState = z.infer<typeof TellingState>;

/** How far one target is with one alert. */
export const TellingView = z.object({
  target: z.string(),
  phase: AlertPhase,
  state: TellingState,
  /** The message's own id, the same however often it is tried. */
  message: z.string(),
  attempts: z.int().nonnegative(),
  /** When it is tried, or told again, next. */
  dueAt: Timestamp.nullable(),
  toldAt: Timestamp.nullable(),
  /** Why the last try failed. */
  error: z.string().nullable(),
});
export type TellingView = z.infer<typeof TellingView>;

export const AlertView = z.object({
  id: z.string(),
  kind: AlertKind,
  severity: z.enum(['warning', 'critical']),
  subject: SubjectId.nullable(),
  at: Timestamp,
  settledAt: Timestamp.nullable(),
  says: z.string(),
  detail: z.record(z.string(), z.unknown()),
  tellings: z.array(TellingView),
});
export type AlertView = z.infer<typeof AlertView>;

/** `GET /v1/alerts`, the newest first. `open`: those that last and are not settled. */
export const AlertsQuery = z.strictObject({
  ...pageQuery,

  kind: AlertKind.optional(),
  subject: SubjectId.optional(),
  open: z.enum(['1']).optional(),
  /** Those alone of which a telling is in this state. */
  telling: TellingState.optional(),
});
export type AlertsQuery = z.infer<typeof AlertsQuery>;

/** `POST /v1/alerts/retry`: what waits is tried at once, what is dead is tried anew. Of all targets, or of one; of all alerts, or of those named. */
export const AlertRetryRequest = z.strictObject({
  alerts: z.array(z.string().max(64)).min(1).max(200).optional(),
  target: z.string().max(64).optional(),
  reason: ReasonText.optional(),
});
export type AlertRetryRequest = z.infer<typeof AlertRetryRequest>;

/** `POST /v1/alerts/test`: one alert of the kind `test`, to whom the routes say. */
export const AlertTestRequest = z.strictObject({ reason: ReasonText.optional() });
