import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** What the disk takes for a row, with nothing of ours around it: each is committed and flushed before the next. */
export class BareRows implements Disposable {
  /** Milliseconds, each of one row. */
  readonly times: number[] = [];
  readonly #directory = mkdtempSync(join(tmpdir(), 'portcullis-bench-'));
  readonly #database = new DatabaseSync(join(this.#directory, 'bare.db'));
  readonly #insert: StatementSync;

  constructor() {
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE rows (body TEXT)');
    this.#insert = this.#database.prepare('INSERT INTO rows VALUES (?)');
  }

  commit(): void {
    const begun = performance.now();
    this.#insert.run('x'.repeat(500));
    this.times.push(performance.now() - begun);
  }

  [Symbol.dispose](): void {
    this.#database.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}
