/** What the journal says of each certificate: from which revision on it was admissible, and from which it was not. */
import type { SubjectDelta } from '@portcullis/contract';

export interface Step {
  revision: number;
  admissible: boolean;
}

interface Known {
  status: unknown;
  standings: Map<string, string>;
}

/** Grows by the changes of a journal, in their order. A stream is thought of that expects `status: active` and nothing else. */
export class Timeline {
  readonly #steps = new Map<string, Step[]>();
  readonly #known = new Map<string, Known>();

  apply(revision: number, deltas: readonly Pick<SubjectDelta, 'subject' | 'attributes' | 'certificates'>[]): void {
    for (const { subject, attributes, certificates } of deltas) {
      const known = this.#known.get(subject) ?? { status: undefined, standings: new Map() };
      this.#known.set(subject, known);
      for (const [name, { value }] of Object.entries(attributes ?? {})) if (name === 'status') known.status = value;
      for (const { fingerprint, standing } of certificates ?? []) known.standings.set(fingerprint, standing);
      const active = known.status === 'active';
      for (const [fingerprint, standing] of known.standings) {
        this.#note(fingerprint, revision, active && standing === 'valid');
      }
    }
  }

  admissibleAt(certificate: string, revision: number): boolean {
    const steps = this.#steps.get(certificate) ?? [];
    return steps[lastAt(steps, revision)]?.admissible ?? false;
  }

  /** Whether the certificate was ever so, from one revision to another, both included. */
  ever(certificate: string, admissible: boolean, from: number, to: number): boolean {
    const steps = this.#steps.get(certificate) ?? [];
    if (this.admissibleAt(certificate, from) === admissible) return true;
    for (let index = lastAt(steps, from) + 1; index < steps.length; index++) {
      const step = steps[index] as Step;
      if (step.revision > to) return false;
      if (step.admissible === admissible) return true;
    }
    return false;
  }

  #note(certificate: string, revision: number, admissible: boolean): void {
    const steps = this.#steps.get(certificate) ?? [];
    this.#steps.set(certificate, steps);
    if (steps.at(-1)?.admissible !== admissible) steps.push({ revision, admissible });
  }
}

/** The index of the last step that is not after a revision; -1 for none. */
function lastAt(steps: readonly Step[], revision: number): number {
  return countWhile(steps, (step) => step.revision <= revision) - 1;
}

/** How many of an ordered list, from its begin, are so: by halving. */
export function countWhile<Item>(items: readonly Item[], holds: (item: Item) => boolean): number {
  let [low, high] = [0, items.length];
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle] as Item)) low = middle + 1;
    else high = middle;
  }
  return low;
}
