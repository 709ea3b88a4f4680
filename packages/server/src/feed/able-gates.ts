import type { SubjectDelta } from '@portcullis/contract';
import type { Store } from '../storage/storage.ts';

type Validity = { notAfter: number };

/** Which gate subjects are of valid standing, so that each may hold a lease: grows by the changes, in their order. */
export class AbleGates {
  /** By gate: its valid certificates, by fingerprint. */
  readonly #valid = new Map<string, Map<string, Validity>>();
  #last: readonly string[] = [];

  static async read(store: Store): Promise<AbleGates> {
    const rows = await store.read((db) =>
      db
        .selectFrom('certificates')
        .innerJoin('subjects', 'subjects.id', 'certificates.subject')
        .select(['certificates.subject', 'certificates.fingerprint', 'certificates.notAfter'])
        .where('subjects.kind', '=', 'gate')
        .where('certificates.purpose', '=', 'client')
        .where('certificates.standing', '=', 'valid')
        .execute(),
    );
    const gates = new AbleGates();
    for (const { subject, fingerprint, notAfter } of rows) gates.#of(subject).set(fingerprint, { notAfter });
    return gates;
  }

  apply(deltas: readonly SubjectDelta[]): void {
    for (const { subject, kind, certificates = [] } of deltas) {
      if (kind !== 'gate') continue;
      for (const { fingerprint, standing, notAfter } of certificates) {
        if (standing === 'valid') this.#of(subject).set(fingerprint, { notAfter: Date.parse(notAfter) });
        else this.#of(subject).delete(fingerprint);
      }
    }
  }

  /** The same list as before if it holds the same: thousands of receipts keep one each. */
  at(now: number): readonly string[] {
    const able = [...this.#valid.keys()].filter((gate) => this.#isAble(gate, now)).toSorted();
    const same = able.length === this.#last.length && able.every((gate, index) => gate === this.#last[index]);
    if (!same) this.#last = able;
    return this.#last;
  }

  #isAble(gate: string, now: number): boolean {
    return [...this.#of(gate).values()].some(({ notAfter }) => notAfter > now);
  }

  #of(gate: string): Map<string, Validity> {
    const certificates = this.#valid.get(gate) ?? new Map<string, Validity>();
    this.#valid.set(gate, certificates);
    return certificates;
  }
}
