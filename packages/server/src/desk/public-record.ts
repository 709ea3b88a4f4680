import type { PublicFeedMessage, PublicSubject } from '@portcullis/contract';

/** What a desk knows of what is public, in memory alone. What follows a `snapshot` is in force with the first beat after it. */
export class PublicRecord {
  readonly #monotonic: () => number;
  #subjects: Map<string, PublicSubject> | undefined;
  #next: Map<string, PublicSubject> | undefined;
  #beat: { revision: number; time: string; heardAt: number } | undefined;

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic;
  }

  hear(message: PublicFeedMessage): void {
    if (message.type === 'snapshot') {
      this.#next = new Map();
    } else if (message.type === 'subjects') {
      const subjects = this.#next ?? this.#subjects;
      for (const subject of message.subjects) subjects?.set(subject.subject, subject);
      for (const id of message.gone) subjects?.delete(id);
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

  find(subject: string): PublicSubject | undefined {
    return this.#subjects?.get(subject);
  }

  /** Of the last beat; undefined: there was none. */
  get state(): { revision: number; time: string; ageMs: number; subjects: number } | undefined {
    if (!this.#beat) return undefined;
    const { revision, time, heardAt } = this.#beat;
    return { revision, time, ageMs: Math.round(this.#monotonic() - heardAt), subjects: this.#subjects?.size ?? 0 };
  }
}
