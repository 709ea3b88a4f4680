/**
 * Checks a history of calls and changes against the journal and the stores. Pure. All times are of one clock.
 * Each call has two revisions that bound what it may have been judged at: at least the last whose receipt was given before it began
 * (receipts are given in order, so one is a receipt of all before it), and before the first whose change began after it ended. It was
 * answered rightly if its certificate was so at some revision between them.
 */
import { countWhile, type Timeline } from './timeline.ts';

export interface Call {
  gate: string;
  /** Over what it was asked. */
  way?: string;
  subject: string;
  /** The fingerprint that it was sent with. */
  certificate: string;
  /** Where the certificate is shown without who signed it: the name of that one. */
  issuer?: string;
  ids: string[];
  begin: number;
  end: number;
  /** 0: no answer. */
  status: number;
  reason: string;
  /** The revision that an acknowledgement names. */
  revision?: number;
}

export interface Change {
  what: string;
  begin: number;
  end: number;
  /** By the journal; undefined for one that did not happen, or changed nothing. */
  revision: number | undefined;
  /** What a confirmed receipt named. */
  confirmed: number | undefined;
  /** The gates that had applied it by then; the others held no lease. */
  applied: string[];
  /** By gate: the last batch that was readable just after the receipt was given. */
  looked: Record<string, number>;
}

export interface Row {
  gate: string;
  subject: string;
  certificate: string;
  id: string;
  batch: number;
  revision: number;
  /** As readers are told: proven only once it is on record that it became readable in time. */
  state: 'proven' | 'unproven' | 'quarantined';
  readable: boolean;
}

export interface History {
  calls: Call[];
  changes: Change[];
  rows: Row[];
  timeline: Timeline;
  /** By name, since when an issuer may be retired. */
  retired: ReadonlyMap<string, number>;
}

export interface Violation {
  promise: 'P4' | 'P6' | 'P7' | 'P8' | 'P9' | 'P10' | 'P12' | 'P13' | 'P14';
  what: string;
  detail: unknown;
}

export function violationsOf(history: History): Violation[] {
  return [...wrongAnswers(history), ...wrongRows(history), ...lateRows(history), ...wrongCounts(history)];
}

/** Which revisions were in force for certain, and which may have been, at a time. */
export class Bounds {
  readonly #confirmed: { time: number; revision: number }[] = [];
  readonly #begun: { time: number; revision: number }[] = [];

  constructor(changes: readonly Change[]) {
    let highest = 0;
    for (const { end, confirmed = 0 } of changes.toSorted((a, b) => a.end - b.end)) {
      highest = Math.max(highest, confirmed);
      this.#confirmed.push({ time: end, revision: highest });
    }
    let lowest = Number.POSITIVE_INFINITY;
    for (const { begin, revision = lowest } of changes.toSorted((a, b) => b.begin - a.begin)) {
      lowest = Math.min(lowest, revision);
      this.#begun.unshift({ time: begin, revision: lowest });
    }
  }

  /** The highest revision with a receipt that was given before this time. */
  receiptedBefore(time: number): number {
    return this.#confirmed[countWhile(this.#confirmed, (one) => one.time < time) - 1]?.revision ?? 0;
  }

  /** No revision above this one can have been made by this time. */
  madeBy(time: number): number {
    const later = this.#begun[countWhile(this.#begun, (one) => one.time <= time)];
    return later ? later.revision - 1 : Number.POSITIVE_INFINITY;
  }
}

const answers = {
  202: { admitted: true, promise: 'P6', what: 'acknowledged, although begun after the receipt that forbade it' },
  403: { admitted: false, promise: 'P7', what: 'refused, although begun after the receipt that allowed it' },
} as const;

/** What a gate may say without having judged: nothing at all, or that it can not at the moment. */
const undecided = [0, 503];

/** A leaf alone leads to no root once who signed it is retired. */
const isUprooted = ({ issuer, status, reason, end }: Call, retired: History['retired']) =>
  status === 403 &&
  reason === 'handshake_refused' &&
  issuer !== undefined &&
  (retired.get(issuer) ?? Number.POSITIVE_INFINITY) < end;

function wrongAnswers({ calls, changes, timeline, retired }: History): Violation[] {
  const all = new Bounds(changes);
  const ofGate = new Map<string, Bounds>();
  for (const gate of new Set(calls.map((call) => call.gate))) {
    ofGate.set(gate, new Bounds(changes.filter(({ applied }) => applied.includes(gate))));
  }
  return calls.flatMap((call): Violation[] => {
    if (undecided.includes(call.status) || isUprooted(call, retired)) return [];
    const answer = answers[call.status as 202 | 403];
    if (!answer) return [{ promise: 'P10', what: 'answered what nothing of this run explains', detail: call }];
    // A standing is told without a lease too: then what the gate has applied bounds it, not what is in force elsewhere.
    const bounds = (call.reason === 'not_admitted' && ofGate.get(call.gate)) || all;
    const [from, to] = [bounds.receiptedBefore(call.begin), all.madeBy(call.end)];
    const detail = { ...call, receipted: from, made: to };
    if (!timeline.ever(call.certificate, answer.admitted, from, to)) return [{ ...answer, detail }];
    if (call.revision === undefined || (call.revision >= from && call.revision <= to)) return [];
    return [{ promise: 'P7', what: 'judged at a revision that is not of its time', detail }];
  });
}

/** A row says what it was judged at; whether it may stand follows from the journal alone. */
function wrongRows({ rows, timeline }: History): Violation[] {
  const wrong = rows.filter(({ certificate, revision }) => !timeline.admissibleAt(certificate, revision));
  return wrong.map((detail) => ({
    promise: 'P4',
    what: 'stored, although not admissible at its own revision',
    detail,
  }));
}

/** P7: what a receipt forbade and was not readable when it was given never is, unless it is named unproven for ever (rule 9). */
function lateRows({ calls, rows, changes, timeline }: History): Violation[] {
  const receipts = new Map<string, { looked: number; revision: number; time: number }[]>();
  for (const { confirmed, looked, end: time } of changes.toSorted((a, b) => a.end - b.end)) {
    for (const [gate, batch] of Object.entries(looked)) {
      const known = receipts.get(gate) ?? [];
      receipts.set(gate, known);
      known.push({ looked: batch, time, revision: Math.max(confirmed ?? 0, known.at(-1)?.revision ?? 0) });
    }
  }
  return rows.flatMap((row): Violation[] => {
    const { gate, certificate, batch, revision, state } = row;
    if (state !== 'proven' || !row.readable) return [];
    const known = receipts.get(gate) ?? [];
    const last = known[countWhile(known, (receipt) => receipt.looked < batch) - 1];
    if (!last || last.revision <= revision) return [];
    if (!timeline.ever(certificate, false, revision + 1, last.revision)) return [];
    const acknowledged = calls.find((call) => call.gate === gate && call.status === 202 && call.ids.includes(row.id));
    const then = { receipted: last.revision, readableThen: last.looked, receiptAt: last.time };
    const detail = { ...row, ...then, acknowledgedAt: acknowledged?.end };
    return [{ promise: 'P7', what: 'became readable after the receipt that forbade it', detail }];
  });
}

const keyOf = (gate: string, subject: string, id: string) => `${gate} ${subject} ${id}`;

function wrongCounts({ calls, rows }: History): Violation[] {
  const counts = new Map<string, number>();
  for (const { gate, subject, id, readable } of rows) {
    const key = keyOf(gate, subject, id);
    if (readable) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const twice = [...counts].filter(([, count]) => count > 1);
  const lost = calls.filter(
    ({ gate, subject, ids, status }) => status === 202 && ids.some((id) => !counts.has(keyOf(gate, subject, id))),
  );
  return [
    ...twice.map(
      ([key, count]): Violation => ({ promise: 'P8', what: 'readable more than once', detail: { key, count } }),
    ),
    ...lost.map((detail): Violation => ({ promise: 'P8', what: 'acknowledged, and not readable', detail })),
  ];
}
