import { PortcullisError } from '@portcullis/contract';
import { requireTextsWithoutZero, tablesIn } from './moved-tables.ts';
import type { StorePlace } from './open.ts';
import type { Tell } from './postgres/move.ts';
import { hasSqliteStore, leaveSqliteStore } from './sqlite-store.ts';

export interface Move extends Disposable {
  /** All rows are there once it resolves, and were read back; the file is still the store. */
  copy(to: StorePlace, tell: Tell): Promise<{ rows: number }>;
  /** From here on it is not: nothing opens it any more. */
  setAside(): Promise<void>;
}

/** @throws {PortcullisError} `fleet_missing`, `store_locked`, `store_version`, `store_damaged` */
export function openMove(directory: string): Move {
  const leaving = leaveSqliteStore(directory);
  const { database } = leaving;
  return {
    async copy({ postgres }, tell) {
      if (!postgres) throw new PortcullisError('usage', 'a store moves from a file into PostgreSQL');
      const tables = tablesIn(database);
      for (const table of tables) requireTextsWithoutZero(database, table);
      const { moveToPostgres } = await import('./postgres/move.ts');
      return moveToPostgres({ database, tables }, postgres, tell);
    },
    setAside: () => leaving.setAside(),
    [Symbol.dispose]: () => leaving[Symbol.dispose](),
  };
}

export { hasSqliteStore };
