import type { Replica } from '../../replica/replica.ts';
import type { Stream } from '../policy/policy.ts';

/** Who is judged: the leaf that was presented, with its rows in the replica. */
export class Bearer {
  /** SHA-256 of the leaf's DER in hexadecimal; empty when none was presented. It is there once for each connection, and a buffer takes four times as much. */
  readonly name: string;
  subject = -1;
  /** Undefined: it is known and was not asked for. */
  #subjectId: string | undefined = '';
  #replica: Replica | undefined;
  /** Until it is looked up: then it need not be read from the name. */
  #presented: Buffer | undefined;
  #row = -1;
  #generation = -1;
  #admittedTo: Stream | undefined;
  #admittedAt = -1;

  constructor(fingerprint: Buffer | undefined) {
    this.name = fingerprint?.toString('hex') ?? '';
    this.#presented = fingerprint;
  }

  get fingerprint(): Buffer | undefined {
    return this.name === '' ? undefined : Buffer.from(this.name, 'hex');
  }

  /** The row of its certificate, or -1: looked up once for each snapshot, as soon as there is one. */
  rowIn(replica: Replica): number {
    if (this.#generation === replica.generation && this.#row !== -1) return this.#row;
    this.#replica = replica;
    this.#generation = replica.generation;
    this.#admittedTo = undefined;
    const fingerprint = this.#presented ?? this.fingerprint;
    this.#presented = undefined;
    this.#row = fingerprint ? replica.find(fingerprint) : -1;
    this.subject = this.#row === -1 ? -1 : replica.subjectOf(this.#row);
    this.#subjectId = this.#row === -1 ? '' : undefined;
    return this.#row;
  }

  /** Empty while the certificate is unknown. Read when it is first asked for, since a decision seldom needs it, and by a row of that moment. */
  get subjectId(): string {
    if (this.#subjectId === undefined && this.#replica && this.rowIn(this.#replica) !== -1)
      this.#subjectId = this.#replica.subjectId(this.subject);
    return this.#subjectId ?? '';
  }

  /** A stream belongs to one policy, so the decision is kept for as long as neither policy nor subject changes. */
  isKnownAdmitted(stream: Stream, subjectRevision: number): boolean {
    return this.#admittedTo === stream && this.#admittedAt === subjectRevision;
  }

  noteAdmitted(stream: Stream, subjectRevision: number): void {
    this.#admittedTo = stream;
    this.#admittedAt = subjectRevision;
  }
}
