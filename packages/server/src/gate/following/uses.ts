import { PortcullisError, UsesAnswer, usesPerRequestMax } from '@portcullis/contract';
import { exchange, type Link } from '@portcullis/device';
import type { Replica } from '../../replica/replica.ts';
import type { Log, System } from '../../telemetry/telemetry.ts';

interface Parts {
  authority: string;
  link(): Link;
  replica: Replica;
  validityTime(): number;
  random: System['random'];
  log: Log;
  /** What is used within this is told at once; what can not be told waits up to the longest. */
  gatherMs?: number;
}

/** Whoever came with a certificate over a connection of his own. */
export interface Used {
  readonly name: string;
  rowIn(replica: Replica): number;
}

const usualGatherMs = 500;
const longestPauseMs = 60_000;
const answerMsMax = 10_000;
/** Some megabytes. One that is not named here is by its next connection. */
const untoldMax = 10_000;
const toldMax = 50_000;

/**
 * Tells the authority of each certificate, once, that is in use beside an older one of its subject: by EST nothing else says that a renewal
 * arrived, and until then the older one stays valid. Kept in memory alone: after a restart the next use is told.
 */
export class Uses {
  readonly #parts: Parts;
  readonly #looked = new WeakSet<Used>();
  readonly #untold = new Set<string>();
  readonly #told = new Set<string>();
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #turn: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** A reading was admitted by it. Of a connection the first one counts. */
  note(used: Used): void {
    if (this.#looked.has(used)) return;
    this.#looked.add(used);
    if (this.#told.has(used.name) || this.#untold.size >= untoldMax || !this.#isBesideAnOlder(used)) return;
    this.#untold.add(used.name);
    this.#soon(this.#parts.gatherMs ?? usualGatherMs);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#timer);
    await this.#turn;
  }

  #isBesideAnOlder(used: Used): boolean {
    const { replica, validityTime } = this.#parts;
    const row = used.rowIn(replica);
    if (row === -1) return false;
    const now = validityTime();
    return replica
      .certificatesOf(replica.subjectOf(row))
      .some(
        (other) =>
          other !== row &&
          replica.standingOf(other) === 'valid' &&
          replica.notAfterOf(other) >= now &&
          replica.notBeforeOf(other) <= replica.notBeforeOf(row),
      );
  }

  #soon(milliseconds: number): void {
    if (this.#stopped || this.#timer) return;
    this.#timer = setTimeout(() => {
      this.#turn = this.#tell();
    }, milliseconds).unref();
  }

  async #tell(): Promise<void> {
    const { authority, link, log } = this.#parts;
    const certificates = [...this.#untold].slice(0, usesPerRequestMax);
    let pauseMs = 0;
    try {
      await exchange(link(), `${authority}/v1/renewals/uses`, { certificates }, UsesAnswer, answerMsMax);
      for (const name of certificates) this.#noteTold(name);
      this.#failures = 0;
    } catch (error) {
      const code = error instanceof PortcullisError ? error.code : 'internal';
      log.debug({ code }, `renewed certificates in use were not told, and are again: ${(error as Error).message}`);
      pauseMs = this.#pauseMs();
    }
    this.#timer = undefined;
    if (this.#untold.size > 0) this.#soon(pauseMs);
  }

  #pauseMs(): number {
    const { gatherMs = usualGatherMs, random } = this.#parts;
    const ceiling = Math.min(longestPauseMs, gatherMs * 2 ** Math.min(++this.#failures, 10));
    return (random(4).readUInt32BE() / 2 ** 32) * ceiling;
  }

  #noteTold(name: string): void {
    this.#untold.delete(name);
    this.#told.add(name);
    if (this.#told.size <= toldMax) return;
    const [oldest = ''] = this.#told;
    this.#told.delete(oldest);
  }
}
