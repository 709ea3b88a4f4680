/** When a gate last judged what a subject sent. */
export interface Sighting {
  at: number;
  verdict: 'admitted' | 'refused';
}

/** Some thirty megabytes. Of more subjects those are forgotten that were heard the longest ago. */
const subjectsMax = 250_000;

/** Which subjects this process has heard, and when last. Kept in memory alone: who asks is told since when. */
export class Sightings {
  /** Milliseconds since 1970: whoever is not known here was not heard since. */
  since: number;
  readonly #max: number;
  readonly #seen = new Map<string, Sighting>();

  constructor(since: number, max = subjectsMax) {
    this.since = since;
    this.#max = max;
  }

  /** The one heard the longest ago stands first. */
  note(subject: string, sighting: Sighting): void {
    if (subject === '') return;
    this.#seen.delete(subject);
    this.#seen.set(subject, sighting);
    if (this.#seen.size <= this.#max) return;
    const [[oldest, { at }] = ['', { at: this.since }]] = this.#seen;
    this.#seen.delete(oldest);
    this.since = at;
  }

  of(subject: string): Sighting | undefined {
    return this.#seen.get(subject);
  }
}
