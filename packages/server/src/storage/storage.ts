/**
 * What a store promises, and the engines that keep it.
 * - A change is durable before its promise resolves, or is not there at all; changes happen one at a time.
 * - A read sees a committed state and can not write, by type. A snapshot sees one state for as long as it lasts.
 * - One process holds a store: the kernel frees a file when that process dies; a database is led for a term, which each change names.
 * - Nothing is created by accident: `create` makes a store, `open` only opens, `upgrade` migrates.
 * Refuses to know: what any row means.
 */
export { holdLock, type Lock } from './lock.ts';
export {
  applyChangesets,
  forgetGeneration,
  type Generation,
  generationIn,
  readGeneration,
  renewGeneration,
} from './store/changesets.ts';
export { isPostgres } from './store/engine.ts';
export { kept } from './store/kept.ts';
export { hasSqliteStore, type Move, openMove } from './store/move.ts';
export {
  besideStore,
  createStore,
  dropStore,
  type Opening,
  openStore,
  readStore,
  type StorePlace,
  storePlace,
  upgradeStore,
} from './store/open.ts';
export type { Beside, Reader, Store, Writer } from './store/promises.ts';
export type { Schema } from './store/schema.ts';
export {
  checkSqliteStore,
  copySqliteStore,
  createSqliteStore,
  openSqliteStore,
  readSqliteStore,
  upgradeSqliteStore,
} from './store/sqlite-store.ts';
