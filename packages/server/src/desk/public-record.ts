import type { PublicFeedMessage, PublicSubject } from '@portcullis/contract';

/** By id, and by the code that leads to each. */
class Subjects {
  readonly #byId = new Map<string, PublicSubject>();
  readonly #byCode = new Map<string, string>();

  get size(): number {
    return this.#byId.size;
  }

  get(id: string): PublicSubject | undefined {
    return this.#byId.get(id);
  }

  getByCode(hash: string): PublicSubject | undefined {
    const id = this.#byCode.get(hash);
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** A code that another took the place of leads nowhere. */
  put(subject: PublicSubject): void {
    this.drop(subject.subject);
    this.#byId.set(subject.subject, subject);
    if (subject.code !== undefined) this.#byCode.set(subject.code, subject.subject);
  }

  drop(id: string): void {
    const code = this.#byId.get(id)?.code;
    if (code !== undefined) this.#byCode.delete(code);
    this.#byId.delete(id);
  }
}

/** What a desk knows of what is public, in memory alone. What follows a `snapshot` is in force with the first beat after it. */
export class PublicRecord {
  readonly #monotonic: () => number;
  #subjects: Subjects | undefined;
  #next: Subjects | undefined;
  #beat: { revision: number; time: string; heardAt: number } | undefined;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  hear(message: PublicFeedMessage): void {
    if (message.type === 'snapshot') {
      this.#next = new Subjects();
    } else if (message.type === 'subjects') {
      const subjects = this.#next ?? this.#subjects;
      for (const subject of message.subjects) subjects?.put(subject);
      for (const id of message.gone) subjects?.drop(id);
    } else {
      this.#subjects = this.#next ?? this.#subjects;
      this.#next = undefined;
      this.#beat = { revision: message.revision, time: message.time, heardAt: this.#monotonic() };
    }
  }

  /** What came of a snapshot that broke off is for nothing; what was there before it stays, and ages. */
  brokeOff(): void {
    this.#next = undefined;
  }

  /** The authority lacks what was told before: nothing is told, until it is known which of both holds. */
  distrust(): void {
    this.#subjects = undefined;
    this.#next = undefined;
    this.#beat = undefined;
  }

  find(subject: string): PublicSubject | undefined {
    return this.#subjects?.get(subject);
  }

  /** By the SHA-256 of its code. */
  findByCode(hash: string): PublicSubject | undefined {
    return this.#subjects?.getByCode(hash);
  }

  /** Of the last beat; undefined: there was none. */
  get state(): { revision: number; time: string; ageMs: number; subjects: number } | undefined {
    if (!this.#beat) return undefined;
    const { revision, time, heardAt } = this.#beat;
    return { revision, time, ageMs: Math.round(this.#monotonic() - heardAt), subjects: this.#subjects?.size ?? 0 };
  }
}
