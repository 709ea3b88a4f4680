import type { LeaseRequest } from '@portcullis/contract';
import { Ringing, type RingingParts } from './ringing.ts';

type Told = NonNullable<LeaseRequest['counters']['refusedMost']>;

interface Parts extends RingingParts {
  /** So many refusals of one subject within a minute, at all gates together, ring. */
  perMinute: number;
}

interface OfSubject {
  gates: Map<string, { perMinute: number; at: number }>;
  reason: string;
}

/** What a gate told counts for so long: it tells of the last whole minute. */
const countedMs = 60_000;
/** Gates tell a few each; of more those are forgotten that were told first. */
const subjectsMax = 10_000;

/** Who is refused again and again, as the gates tell it. What is below is of no interest to anybody. */
export class Refusals {
  readonly ringing: Ringing;
  readonly #parts: Parts;
  readonly #subjects = new Map<string, OfSubject>();

  private constructor(parts: Parts, ringing: Ringing) {
    [this.#parts, this.ringing] = [parts, ringing];
  }

  static async read(parts: Parts): Promise<Refusals> {
    return new Refusals(parts, await Ringing.read(parts, 'refusals'));
  }

  note(gate: string, told: Told): void {
    const at = this.#parts.system.now();
    for (const { subject, perMinute, reason } of told) {
      const known = this.#subjects.get(subject) ?? { gates: new Map(), reason };
      known.gates.set(gate, { perMinute, at });
      this.#subjects.delete(subject);
      this.#subjects.set(subject, { ...known, reason });
      if (this.#subjects.size > subjectsMax) this.#subjects.delete(this.#subjects.keys().next().value as string);
      this.#judge(subject, at);
    }
  }

  /** To be called now and then: what was told long ago counts no more. */
  look(): void {
    const now = this.#parts.system.now();
    for (const [subject, { gates }] of this.#subjects) {
      for (const [gate, { at }] of gates) if (at + countedMs < now) gates.delete(gate);
      if (gates.size === 0) this.#subjects.delete(subject);
    }
  }

  #judge(subject: string, at: number): void {
    const { gates, reason } = this.#subjects.get(subject) as OfSubject;
    const fresh = [...gates.values()].filter((told) => told.at + countedMs >= at);
    const perMinute = fresh.reduce((sum, told) => sum + told.perMinute, 0);
    if (perMinute < this.#parts.perMinute) return;
    this.ringing.told(subject, at, () => ({
      says: `"${subject}" was refused ${perMinute} times within a minute, last for ${reason}`,
      detail: { perMinute, reason, gates: [...gates.keys()].slice(0, 20) },
    }));
  }
}
