import { z } from 'zod';

/**
 * What can fail, beside the gate's verdicts (`reasons.ts`). `status` is the HTTP status where it crosses a listener;
 * `retry` says whether the same request may succeed later.
 */
export const failures = {
  request_malformed: { status: 400, retry: false, title: 'the request does not fit its schema' },
  request_too_large: { status: 413, retry: false, title: 'the request is larger than this route takes' },
  media_type_unsupported: { status: 415, retry: false, title: 'the content type is not one that this route takes' },
  not_authenticated: { status: 403, retry: false, title: 'the client certificate is not one that this fleet admits' },
  kind_not_allowed: { status: 403, retry: false, title: 'this route does not admit this kind of subject' },
  method_not_allowed: { status: 405, retry: false, title: 'the route does not take this method' },
  route_unknown: { status: 404, retry: false, title: 'there is no such route' },
  subject_unknown: { status: 404, retry: false, title: 'the fleet has no such subject' },
  certificate_unknown: { status: 404, retry: false, title: 'the fleet has no such certificate' },
  key_credential_unknown: { status: 404, retry: false, title: 'the fleet has no such key credential that is valid' },
  alert_unknown: { status: 404, retry: false, title: 'there is no such alert' },
  attribute_unknown: { status: 404, retry: false, title: 'the subject has no such attribute' },
  breach_unknown: { status: 404, retry: false, title: 'the subject has no breach and no gap that waits for a person' },
  token_unknown: { status: 404, retry: false, title: 'the fleet has no such token' },
  factory_unknown: { status: 404, retry: false, title: 'the fleet takes no certificates of such a factory' },
  signal_unknown: { status: 404, retry: false, title: 'the fleet has no such source of signals' },
  hold_unknown: { status: 404, retry: false, title: 'there is no such hold' },
  revision_unknown: { status: 404, retry: false, title: 'there is no such revision' },
  kind_conflict: { status: 409, retry: false, title: 'the subject exists and has another kind' },
  attribute_type_conflict: { status: 409, retry: false, title: 'the attribute has another type in this fleet' },
  attribute_reserved: {
    status: 409,
    retry: false,
    title: 'the attribute is written by one part of the authority alone',
  },
  standing_held: { status: 409, retry: true, title: 'a hold is on the standing; no certificate is issued meanwhile' },
  standing_final: { status: 409, retry: false, title: 'the certificate is revoked or superseded, which is final' },
  subject_exists: { status: 409, retry: false, title: "a factory's certificate never names a subject that is there" },
  factory_exists: { status: 409, retry: false, title: 'the fleet has a factory of that name' },
  precondition_failed: { status: 409, retry: false, title: 'what the change is on condition of does not hold' },
  subject_retired: { status: 409, retry: false, title: 'the subject is retired' },
  after_revocation_required: {
    status: 409,
    retry: false,
    title:
      'the subject has a suspended or revoked credential; say --after-revocation to give it a new one all the same',
  },
  key_credential_exists: {
    status: 409,
    retry: false,
    title: 'the subject has a key credential; say --replace to supersede it',
  },
  journey_unknown: { status: 404, retry: false, title: 'the fleet has no such journey' },
  arrival_unknown: { status: 404, retry: false, title: 'the shipment has no such arrival' },
  shipment_exists: { status: 409, retry: false, title: 'the subject is a shipment already' },
  tracker_bound: { status: 409, retry: false, title: 'the tracker is that of another shipment on its way' },
  out_of_sequence: { status: 409, retry: false, title: 'the journey expects another step' },
  checkpoint_not_expected: { status: 409, retry: false, title: 'the step is for another checkpoint to record' },
  condition_not_met: { status: 409, retry: false, title: 'an attribute of the shipment is not what the step demands' },
  evidence_missing: { status: 409, retry: false, title: 'nothing proves what the step demands of the shipment' },
  journey_finished: { status: 409, retry: false, title: 'the shipment was recorded at its final step' },
  shipment_stopped: { status: 409, retry: false, title: 'the shipment is stopped' },
  too_early: { status: 409, retry: false, title: 'the time of the arrival is in the future' },
  too_late: { status: 409, retry: false, title: 'the arrival comes later than its step may be uploaded' },
  time_contradicts: { status: 409, retry: false, title: 'the time of the arrival does not fit those of other steps' },
  arrivals_pending: { status: 409, retry: false, title: 'as many arrivals as may wait for missing ones do already' },
  arrival_withdrawn: { status: 409, retry: false, title: 'an operator took the arrival back while it waited' },
  arrival_not_authentic: {
    status: 403,
    retry: false,
    title: 'what is signed is not signed by a checkpoint that this fleet admits',
  },
  arrival_id_reused: { status: 409, retry: false, title: 'the id is that of another arrival of the shipment' },
  correction_not_allowed: {
    status: 409,
    retry: false,
    title: 'the journey does not allow what the correction would leave',
  },
  last_operator: { status: 409, retry: false, title: 'the last operator with a valid certificate can not be cut' },
  token_refused: { status: 403, retry: false, title: 'the token is not one that can be used' },
  certificate_refused: {
    status: 500,
    retry: false,
    title: 'what would have been signed is not what was permitted; nothing was signed',
  },
  policy_not_met: {
    status: 403,
    retry: true,
    title: "the fleet's policy for this kind of subject gives it no certificate",
  },
  factory_refused: { status: 403, retry: false, title: 'the client certificate is not one that may enrol' },
  nothing_pending: { status: 409, retry: false, title: 'nothing of the subject waits to be approved' },
  rollover_under_way: { status: 409, retry: false, title: 'another rollover is under way' },
  rollover_not_ready: { status: 409, retry: false, title: 'no rollover is at the phase that this step follows' },
  rollover_loses: { status: 409, retry: true, title: 'somebody would be lost by this step of the rollover' },
  issuer_ended: { status: 503, retry: true, title: 'the issuer is at its end; the fleet needs another one' },
  issuer_unavailable: { status: 503, retry: true, title: 'the issuer can not sign now: its key is not to be reached' },
  renewal_refused: { status: 403, retry: false, title: 'the certificate can not be renewed' },
  renewal_unconfirmed: { status: 409, retry: true, title: 'a certificate that was not confirmed renews nothing' },
  renewal_too_soon: { status: 429, retry: true, title: 'the subject renewed a short while ago' },
  request_id_reused: { status: 422, retry: false, title: 'the request id is that of another change' },
  key_refused: { status: 422, retry: false, title: 'the public key is weaker than allowed or of an unknown type' },
  request_signature_invalid: { status: 422, retry: false, title: 'the request is not signed by its own key' },
  attributes_not_allowed: { status: 403, retry: true, title: 'the gate may not ask for these attributes' },
  id_context_not_allowed: { status: 403, retry: false, title: 'the ID context is one that another gate made' },
  rate_limited: { status: 429, retry: true, title: 'too many requests from this address or subject' },
  revision_regressed: {
    status: 409,
    retry: false,
    title: 'the authority or its store is behind what was seen of it, or on another history',
  },
  config_differs: {
    status: 409,
    retry: false,
    title: "this machine's configuration is not the one that the fleet is led by",
  },
  instances_too_many: { status: 409, retry: true, title: 'the gate has as many instances as may be known of one' },
  clock_too_far_off: { status: 409, retry: true, title: 'the clocks differ by more than five minutes' },
  desk_busy: { status: 503, retry: true, title: 'the desk relays as much as it may' },
  carrier_full: { status: 503, retry: true, title: 'the carrier holds as much as it may' },
  look_ups_stale: { status: 503, retry: true, title: 'the desk has not heard from the authority for too long' },
  authority_unreachable: { status: 503, retry: true, title: 'the desk can not reach the authority' },
  authority_stopping: { status: 503, retry: true, title: 'the authority is stopping' },
  signal_unproven: { status: 403, retry: false, title: 'the signal does not prove that its source sent it' },
  signals_busy: {
    status: 503,
    retry: true,
    title: 'the signal could not be taken in time; the same one may be sent again',
  },
  disk_full: { status: 503, retry: true, title: 'the disk is full' },
  watchers_full: { status: 503, retry: true, title: 'as many operators watch the gate as may' },
  worker_away: { status: 503, retry: true, title: 'that process of the gate does not answer now' },
  store_unavailable: { status: 503, retry: true, title: 'the database can not be used now' },
  not_leader: { status: 503, retry: true, title: 'this authority does not lead any more' },
  internal: { status: 500, retry: true, title: 'an error of the server itself; its log has the details' },
  config_invalid: { status: 500, retry: false, title: 'the configuration is not valid' },
  fleet_exists: { status: 500, retry: false, title: 'the directory already holds a fleet' },
  fleet_missing: { status: 500, retry: false, title: 'the directory holds no fleet' },
  file_unusable: { status: 422, retry: false, title: 'the file or directory can not be used' },
  directory_unusable: { status: 500, retry: false, title: 'the directory can not be made or written' },
  store_locked: { status: 500, retry: true, title: 'another process has this store open' },
  store_damaged: { status: 500, retry: false, title: 'the store is damaged' },
  store_version: { status: 500, retry: false, title: 'the store was made by another version' },
  journal_damaged: { status: 500, retry: false, title: 'the journal was edited or cut' },
  backup_damaged: { status: 500, retry: false, title: 'the file is no whole backup' },
  port_taken: { status: 500, retry: true, title: 'the port is taken' },
  key_unusable: { status: 500, retry: false, title: 'the key can not be used' },
  credential_unusable: { status: 500, retry: false, title: 'the credential can not be used' },
  credential_exists: { status: 500, retry: false, title: 'the directory already holds a credential' },
  server_not_verified: { status: 500, retry: true, title: 'the server could not be verified; nothing was sent' },
  server_unreachable: { status: 500, retry: true, title: 'the server can not be reached' },
  answer_not_verified: {
    status: 500,
    retry: true,
    title: "the answer is not the authority's own to what was asked; nothing of it was taken",
  },
  acknowledgement_not_verified: {
    status: 500,
    retry: true,
    title: 'the answer to a sealed reading is not one that a gate of the fleet signed; the reading stays',
  },
  public_answer_not_verified: {
    status: 500,
    retry: false,
    title: 'the public answer is not one that a desk of the fleet signed, or is not good any more',
  },
  label_not_verified: {
    status: 500,
    retry: false,
    title: 'the statement is not one that a label certificate of the fleet signed for its shipment',
  },
  feed_garbled: {
    status: 500,
    retry: true,
    title: 'the feed did not arrive as it was sent; the gate reads a snapshot',
  },
  answer_malformed: { status: 500, retry: true, title: 'the answer does not fit its schema' },
  address_not_allowed: { status: 500, retry: false, title: 'the address is not one that may be connected to' },
  environment_refused: { status: 500, retry: false, title: 'the environment weakens verification' },
  outbox_full: { status: 500, retry: true, title: 'the outbox holds as many readings as it may' },
  usage: { status: 400, retry: false, title: 'wrong usage' },
} as const satisfies Record<string, { status: number; retry: boolean; title: string }>;

export type FailureCode = keyof typeof failures;
export const FailureCode = z.enum(Object.keys(failures) as [FailureCode, ...FailureCode[]]);

/** Every failure that is thrown on purpose. The message is for people; programs look at `code` and `detail` alone. */
export class PortcullisError extends Error {
  readonly code: FailureCode;
  readonly detail: Record<string, unknown>;

  constructor(code: FailureCode, message: string, options: { cause?: unknown; detail?: Record<string, unknown> } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'PortcullisError';
    this.code = code;
    this.detail = options.detail ?? {};
  }
}

/** The body of every refusal and failure over HTTP: RFC 9457 with our extension members. */
export const Problem = z.looseObject({
  type: z.string(),
  title: z.string(),
  status: z.int(),
  detail: z.string().optional(),
  /** A code of `reasons` (gate) or of `failures` (everything else). */
  reason: z.string(),
  expected: z.unknown().optional(),
  found: z.unknown().optional(),
  /** The line of an NDJSON body that was refused, from 1. */
  line: z.int().optional(),
  /** Of an authority that stands by: why it would not lead though nobody did. */
  against: z.string().optional(),
});
export type Problem = z.infer<typeof Problem>;
export const problemMediaType = 'application/problem+json';
