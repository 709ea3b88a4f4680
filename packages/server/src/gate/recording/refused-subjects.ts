import type { LeaseRequest } from '@portcullis/contract';

type Told = NonNullable<LeaseRequest['counters']['refusedMost']>[number];

/** So many certificates are counted within a minute; of more none is, and what is told stays true. */
const countedMax = 10_000;
const toldMax = 20;
/** Who is refused less often is told of by nobody. */
const toldLeast = 5;
const minuteMs = 60_000;

interface Count {
  subject: string;
  reason: Told['reason'];
  count: number;
}

/** Who is refused most often: those of known subjects, by minute, for the authority, which may ring. */
export class RefusedSubjects {
  readonly #monotonic: () => number;
  #began: number;
  #now = new Map<string, Count>();
  #told: Told[] = [];

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
    this.#began = monotonic();
  }

  /** `subjectOf`: whose it is, which is asked once for each certificate; null: nobody knows. */
  note(certificate: string, subjectOf: () => string | null, reason: Told['reason'], count: number): void {
    this.#turn();
    const known = this.#now.get(certificate);
    if (known) {
      known.count += count;
      known.reason = reason;
      return;
    }
    const subject = this.#now.size < countedMax ? subjectOf() : null;
    if (subject) this.#now.set(certificate, { subject, reason, count });
  }

  /** Of the last whole minute, the most refused first. */
  most(): Told[] {
    this.#turn();
    return this.#told;
  }

  #turn(): void {
    const minutes = Math.floor((this.#monotonic() - this.#began) / minuteMs);
    if (minutes === 0) return;
    this.#told = minutes === 1 ? mostOf(this.#now.values()) : [];
    this.#now = new Map();
    this.#began += minutes * minuteMs;
  }
}

function mostOf(counts: Iterable<Count>): Told[] {
  const bySubject = new Map<string, Told>();
  for (const { subject, reason, count } of counts) {
    const known = bySubject.get(subject);
    if (known) known.perMinute += count;
    else bySubject.set(subject, { subject: subject as Told['subject'], perMinute: count, reason });
  }
  const often = [...bySubject.values()].filter(({ perMinute }) => perMinute >= toldLeast);
  return often.toSorted((one, other) => other.perMinute - one.perMinute).slice(0, toldMax);
}
