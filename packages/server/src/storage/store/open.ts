import { PortcullisError } from '@portcullis/contract';
import type { System } from '../../telemetry/telemetry.ts';
import { type Address, parseAddress, type ReadText } from '../postgres/address.ts';
import type { Standby } from './postgres/leadership.ts';
import type { Beside, Store } from './promises.ts';
import { createSqliteStore, openSqliteStore, readSqliteStore, upgradeSqliteStore } from './sqlite-store.ts';

/** Where a store is: in a file of `directory`, or in a database. It may be handed to a thread. */
export interface StorePlace {
  directory: string;
  postgres?: Address;
}

/** `url`: "store" of the configuration; without it the store is a file. @throws {PortcullisError} `config_invalid` */
export function storePlace(directory: string, url: string | undefined, readText: ReadText): StorePlace {
  return { directory, ...(url !== undefined && { postgres: parseAddress(url, readText) }) };
}

export interface Opening {
  system: System;
  /** Which process this is, for people: another that finds the store held names it. */
  holder: string;
  /** It waits while another leads: of a database alone. Left out: it is refused. */
  standby?: Standby | undefined;
  /** What each transaction does is kept until it is shipped: in a file alone. */
  capture?: { newId(): string } | undefined;
}

const whyNoStandby = 'a store in a file has no standby: only a process on its machine reaches it';

// The driver of PostgreSQL is loaded where it is used.
const postgresEngine = () => import('./postgres/postgres-store.ts');

/** Makes an empty store. @throws {PortcullisError} `fleet_exists`, `store_unavailable` */
export async function createStore({ directory, postgres }: StorePlace, opening: Opening): Promise<Store> {
  if (!postgres) return createSqliteStore(directory);
  return (await postgresEngine()).createPostgresStore(postgres, opening);
}

/** Removes what `createStore` made, of a fleet that did not come to be; what is in a directory goes with it. */
export async function dropStore({ postgres }: StorePlace): Promise<void> {
  if (postgres) await (await postgresEngine()).dropPostgresStore(postgres);
}

/** Only opens. @throws {PortcullisError} `fleet_missing`, `store_locked`, `store_version`, `store_damaged`, `store_unavailable` */
export async function openStore({ directory, postgres }: StorePlace, opening: Opening): Promise<Store> {
  if (!postgres && opening.standby) throw new PortcullisError('usage', whyNoStandby);
  if (!postgres) return openSqliteStore(directory, opening.capture);
  return (await postgresEngine()).openPostgresStore(postgres, opening);
}

/** Runs the migrations that are pending and tells how many those were; nobody may hold the store. */
export async function upgradeStore({ directory, postgres }: StorePlace, opening: Opening): Promise<number> {
  if (!postgres) return upgradeSqliteStore(directory);
  return (await postgresEngine()).upgradePostgresStore(postgres, opening);
}

/** What is committed, whoever holds the store: nothing is locked, and nothing can be changed. */
export function readStore({ directory, postgres }: StorePlace): Pick<Store, 'snapshot'> {
  if (!postgres) return readSqliteStore(directory);
  return { snapshot: async (work) => (await postgresEngine()).readPostgresStore(postgres).snapshot(work) };
}

/** Of a process that stands by, at a database: a file has none. */
export function besideStore({ postgres }: Required<Pick<StorePlace, 'postgres'>>): Beside {
  const at = async () => (await postgresEngine()).besidePostgresStore(postgres);
  return {
    read: async (work) => (await at()).read(work),
    write: async (work) => (await at()).write(work),
    requireChanges: async () => (await at()).requireChanges(),
  };
}
