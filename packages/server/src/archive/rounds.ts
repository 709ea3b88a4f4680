import { renewalWindowMs } from '../issuance/issuance.ts';
import type { Store } from '../storage/storage.ts';
import type { Log, System } from '../telemetry/telemetry.ts';
import { archiveCertificates } from './certificates.ts';
import { releaseSerials } from './serials.ts';
import type { Shelf } from './shelf.ts';
import { archiveTokens } from './tokens.ts';

/** In this order: a serial is looked for where its certificate is then. */
const shelves: readonly [string, Shelf][] = [
  ['certificates', archiveCertificates],
  ['tokens', archiveTokens],
  ['serials', releaseSerials],
];

export interface ArchiveParts {
  store: Store;
  system: Pick<System, 'now'>;
  log: Log;
  /** For how long after its end a certificate of whichever kind may be renewed. */
  renewableMs?: number;
}

/** Goes through the tables, one page after the other, and then anew. */
export class Rounds {
  readonly #parts: ArchiveParts;
  #shelf = 0;
  #after = '';
  #moved: Record<string, number> = {};

  constructor(parts: ArchiveParts) {
    this.#parts = parts;
  }

  /** A page of one table, in one transaction. False: it was the last one of a round. */
  async step(): Promise<boolean> {
    const { store, system, renewableMs = renewalWindowMs } = this.#parts;
    const [name, shelf] = shelves[this.#shelf] as [string, Shelf];
    const { moved, next } = await store.change((db) => shelf(db, this.#after, { now: system.now(), renewableMs }));
    this.#moved[name] = (this.#moved[name] ?? 0) + moved;
    this.#after = next ?? '';
    if (next !== undefined) return true;
    this.#shelf = (this.#shelf + 1) % shelves.length;
    if (this.#shelf > 0) return true;
    this.#tell();
    return false;
  }

  #tell(): void {
    const moved = this.#moved;
    this.#moved = {};
    if (Object.values(moved).some((count) => count > 0)) this.#parts.log.info(moved, 'archived what ended');
  }
}
