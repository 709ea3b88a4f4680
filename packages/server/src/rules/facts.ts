import type { Stretch } from './stretches.ts';

export type Side = 'outside' | 'inside';

/** A reading that a gate told of. */
export interface Edge {
  /** By the device's clock where it is synchronised, else when it came. */
  at: number;
  side: Side;
  /** Of the rule whose bounds were looked at. */
  ruleRevision: number;
  /** The newest reading before it at its gate, up to which the one before it in the gate's order goes on; null: there was none. */
  after: number | null;
  /** One moment, older than what the gate had told of. */
  late: boolean;
  /** Its row may not have been judged under a lease: it can accuse, and not acquit. */
  unproven: boolean;
  /** How far the readings of the run that it begins are apart at most. */
  pauseMs: number;
  /** Where it was recorded, and its place in the order there. */
  source: string;
  number: number;
  gate: string;
  receivedAt: number;
}

/** The newest reading that a gate told of. */
export interface Newest {
  gate: string;
  at: number;
}

/** Readings on one side with no long pause between them, or one by itself. */
export interface Run extends Stretch {
  side: Side;
  ruleRevision: number;
  pauseMs: number;
  /** One late reading. */
  moment: boolean;
}

/** A time within which a sender spoke for a subject; `until` null: it still does. */
export interface Bound {
  from: number;
  until: number | null;
}

/** Why nothing was heard: a gate refused the sender at that time, or no gate decided. */
export interface Cause {
  at: number;
  reason: string;
}

/** All that is known of one sender under a rule. */
export interface SenderFacts {
  sender: string;
  bound: readonly Bound[];
  runs: readonly Run[];
  causes: readonly Cause[];
  /** When a gate last told something of it, by the authority's clock. */
  toldAt: number;
}

export interface Limits {
  forMs: number | null;
  budgetMs: number | null;
  silentMs: number | null;
}

/** A breach on record: it stays, whatever is learnt later. */
export interface KeptBreach {
  kind: BreachKind;
  /** Empty for a budget, which all senders share. */
  sender: string;
  from: number;
  to: number | null;
  acknowledgedAt: number | null;
}

export type BreachKind = 'for' | 'budget';

/** All that is known of a subject under a rule: what is judged. */
export interface Facts {
  limits: Limits;
  /** Of a version of the rule: an excursion is measured by those that applied when it began. */
  limitsAt(ruleRevision: number): Limits;
  /** When the rule is in force for this subject; undefined: not yet. */
  window: Bound | undefined;
  senders: readonly SenderFacts[];
  breaches: readonly KeptBreach[];
  /** Up to when a person decided what was not known. */
  decidedUntil: number | undefined;
}

export interface Excursion {
  sender: string;
  from: number;
  /** Null: it goes on. */
  to: number | null;
  /** How long, as far as is known. */
  durationMs: number;
  ruleRevision: number;
}

/** `unbound`: no sender spoke for the subject. */
export type GapCause = 'refused' | 'silent' | 'no_gate' | 'unbound';

export interface Gap {
  /** Empty where there was none. */
  sender: string;
  from: number;
  to: number | null;
  cause: GapCause;
  /** What the gate said, where it refused. */
  reason?: string;
}

export interface Breach {
  kind: BreachKind;
  sender: string;
  /** Of the excursion; of a budget, of the first that counts. */
  from: number;
  to: number | null;
  /** When the limit was passed. */
  at: number;
  limitMs: number;
  ruleRevision: number;
}

export interface Judged {
  excursions: Excursion[];
  gaps: Gap[];
  breaches: Breach[];
  /** The newest reading of each sender that is bound. */
  heard: number | null;
  /** When time alone may change this; null: never. */
  nextAt: number | null;
}
