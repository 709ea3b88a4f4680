import { type AlertKind, type AlertPhase, alertKinds } from '@portcullis/contract';
import { timestamp } from '../telemetry/telemetry.ts';

export interface ToldAlert {
  id: string;
  kind: AlertKind;
  subject: string | null;
  key: string;
  at: number;
  says: string;
  detail: Record<string, unknown>;
  settledAt: number | null;
}

/** What one target is told in one go: alerts of one kind, that they are there or that they are over. */
export interface Message {
  number: number;
  /** Stable over tries: who gets it twice knows by this. */
  id: string;
  kind: AlertKind;
  phase: AlertPhase;
  /** How often it was told before. */
  repeats: number;
  /** Tries that failed. */
  attempts: number;
  /** When it was made, or its repetition begun. */
  at: number;
  alerts: ToldAlert[];
}

/** Who tells one target. */
export interface Teller {
  /** Resolves once the target has it. The same message is the same bytes, but to who is told for so long at a time. */
  tell(message: Message, signal: AbortSignal): Promise<void>;
}

/** A try that failed, in words that the operator is shown. */
export class NotTold extends Error {
  /** It is this message that the target does not take; it may take others. */
  readonly messageAlone: boolean;
  /** When the target asks to be tried next. */
  readonly retryAfterMs: number;

  constructor(why: string, { messageAlone = false, retryAfterMs = 0, cause }: Partial<NotTold> = {}) {
    super(why, { cause });
    this.messageAlone = messageAlone;
    this.retryAfterMs = retryAfterMs;
  }
}

/** CloudEvents 1.0.2 in structured JSON; `data` is an object always. */
export function cloudEvent({ id, kind, phase, repeats, at, alerts }: Message, fleet: string): Record<string, unknown> {
  const [first, ...others] = alerts;
  const subject = others.length === 0 ? first?.subject : null;
  return {
    ...{ specversion: '1.0', id, source: `spiffe://${fleet}`, type: `portcullis.alert.${kind}` },
    ...(subject && { subject }),
    ...{ time: timestamp(at), datacontenttype: 'application/json' },
    data: {
      phase,
      kind,
      severity: alertKinds[kind].severity,
      repeats,
      alerts: alerts.map((alert) => toldOf(alert, phase)),
    },
  };
}

/** That it is over is said by the message that says so, and by no other: each is the same however often it is tried. */
function toldOf({ id, subject, at, settledAt, says, detail }: ToldAlert, phase: AlertPhase): Record<string, unknown> {
  const over = phase === 'settled' && settledAt !== null;
  return { id, subject, at: timestamp(at), ...(over && { settledAt: timestamp(settledAt) }), says, detail };
}
