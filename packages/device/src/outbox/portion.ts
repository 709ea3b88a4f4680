/** What one request carries at first, and at most. */
const firstBytes = 16 * 1024;
const mostBytes = 1024 * 1024;
/** One segment of TCP: less passes no better. */
const leastBytes = 1_024;
/** How much larger the next request may be; less where one failed and the link is slow: what is just too much costs a whole try. */
const growth = 4;
const carefulGrowth = 1.5;
/** How long the sending of one request should take on a slow link. */
const aimMs = 5_000;
/** How long an answer is waited for at least and at most; in between, several times what the link should need. */
const patienceLeastMs = 30_000;
const patienceMostMs = 900_000;
const patienceFactor = 4;
/** A link is measured by what took so long and was so large: below that, round trips are what is measured. */
const measuredMs = 1_000;
const measuredBytes = 2_048;
const slowestBytesPerMs = 0.125;

/**
 * How much is sent in one request, and how long its answer is waited for: both follow the link, by what was acknowledged in what
 * time. A portion grows while it passes quickly and shrinks when it does not pass at all; a reading that alone is more than the link
 * carries in the usual time is given longer, so that every link which carries anything carries the outbox in the end.
 */
export class Portion {
  #bytes = firstBytes;
  #bytesPerMs: number | undefined;
  #growth = growth;

  /** How many bytes the next request may carry; its first reading goes in any case. */
  get bytesMax(): number {
    return Math.floor(this.#bytes);
  }

  patienceMs(bytes: number): number {
    const needed = this.#bytesPerMs === undefined ? 0 : (patienceFactor * bytes) / this.#bytesPerMs;
    return Math.min(patienceMostMs, Math.max(patienceLeastMs, needed));
  }

  acknowledged(bytes: number, milliseconds: number): void {
    const bytesPerMs = bytes / Math.max(1, milliseconds);
    if (milliseconds <= measuredMs) {
      this.#bytesPerMs = undefined;
      this.#growth = growth;
    } else if (bytes >= measuredBytes) this.#bytesPerMs = bytesPerMs;
    const carried = bytesPerMs * aimMs;
    if (milliseconds > aimMs) this.#set(Math.min(this.#bytes, Math.max(bytes / 2, carried)));
    // What was less than half of a portion says nothing about a larger one.
    else if (2 * bytes >= this.#bytes) this.#set(Math.min(this.#growth * Math.max(this.#bytes, bytes), carried));
  }

  /** It was sent, in part or whole, and no answer came. */
  failed(bytes: number, milliseconds: number): void {
    const seen = bytes / Math.max(1, milliseconds);
    this.#bytesPerMs = Math.max(slowestBytesPerMs, Math.min(this.#bytesPerMs ?? seen, seen) / 2);
    this.#set(Math.min(this.#bytes, bytes) / growth);
    this.#growth = carefulGrowth;
  }

  #set(bytes: number): void {
    this.#bytes = Math.max(leastBytes, Math.min(mostBytes, bytes));
  }
}
