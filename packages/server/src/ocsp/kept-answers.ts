import type { CertificatePlace } from './known-standings.ts';

/** An answer that is the same for all who ask so. Times are milliseconds since 1970. */
export interface KeptAnswer {
  /** The question's certificate id: the same certificate is asked for in a few ways. */
  id: Buffer;
  /** What it says. */
  standing: 'good' | 'revoked' | 'neverIssued';
  body: Buffer;
  thisUpdate: number;
  nextUpdate: number;
  /** Until then it is given; later another is signed. */
  until: number;
}

/** The ways to ask for a certificate: two hashes, each with parameters or without. */
const waysMax = 4;
/** What an entry takes beside its bytes, about. */
const entryBytes = 300;

/** Answers by certificate, in so many bytes: the one that was signed longest ago gives way first. */
export class KeptAnswers {
  readonly #bytesMax: number;
  readonly #answers = new Map<string, KeptAnswer[]>();
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytes(): number {
    return this.#bytes;
  }

  find(place: CertificatePlace, id: Buffer, now: number): KeptAnswer | undefined {
    const kept = this.#answers.get(keyOf(place))?.find((one) => one.id.equals(id));
    return kept && kept.until > now ? kept : undefined;
  }

  keep(place: CertificatePlace, answer: KeptAnswer): void {
    const others = (this.#answers.get(keyOf(place)) ?? []).filter(({ id }) => !id.equals(answer.id)).slice(1 - waysMax);
    this.forget(place);
    const kept = [...others, answer];
    this.#answers.set(keyOf(place), kept);
    this.#bytes += bytesOf(kept);
    for (const [oldest, answers] of this.#answers) {
      if (this.#bytes <= this.#bytesMax) return;
      this.#answers.delete(oldest);
      this.#bytes -= bytesOf(answers);
    }
  }

  forget(place: CertificatePlace): void {
    const key = keyOf(place);
    this.#bytes -= bytesOf(this.#answers.get(key) ?? []);
    this.#answers.delete(key);
  }

  clear(): void {
    this.#answers.clear();
    this.#bytes = 0;
  }
}

const keyOf = ({ issuer, serial }: CertificatePlace) => `${issuer} ${serial.toString('latin1')}`;

const bytesOf = (answers: readonly KeptAnswer[]) =>
  answers.reduce((bytes, { id, body }) => bytes + id.length + body.length + entryBytes, 0);
