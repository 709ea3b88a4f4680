import { PortcullisError } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Address } from '../../postgres/address.ts';
import { type Connections, raw } from '../../postgres/connections.ts';
import { requireServer } from '../../postgres/server.ts';
import { migrations } from '../migrations.ts';
import type { Writer } from '../promises.ts';
import { leadershipTables } from './leadership-row.ts';
import { postgresSql } from './tables-sql.ts';

type Db = Connections['db'];

/** All of it in one transaction, with what `fill` puts into it: a crash leaves nothing. @throws {PortcullisError} `fleet_exists` */
export async function makeTables(
  db: Db,
  { schema, words }: Address,
  fill: (transaction: Writer) => Promise<void> = async () => undefined,
): Promise<void> {
  await requireServer(db, 'store');
  await db.transaction().execute(async (transaction) => {
    await transaction.executeQuery(raw(`CREATE SCHEMA IF NOT EXISTS "${schema}"`));
    if (await hasForm(transaction, schema)) {
      throw new PortcullisError('fleet_exists', `${words} already holds a store; choose another schema`);
    }
    await sql.raw(leadershipTables).execute(transaction);
    await sql
      .raw('CREATE TABLE "form" ("version" bigint NOT NULL); INSERT INTO "form" VALUES (0)')
      .execute(transaction);
    for (const step of migrations) await sql.raw(postgresSql(step)).execute(transaction);
    await transaction.executeQuery(raw('UPDATE "form" SET "version" = $1', [migrations.length]));
    await fill(transaction);
  });
}

/** Each step is a transaction of its own, with its number: a crash between two leaves the earlier one done. */
export async function migrateTables(db: Db, requireLead: (db: Writer) => Promise<void>): Promise<number> {
  const from = await versionOf(db);
  for (const [index, step] of migrations.entries()) {
    if (index < from) continue;
    await db.transaction().execute(async (transaction) => {
      await requireLead(transaction);
      await sql.raw(postgresSql(step)).execute(transaction);
      await transaction.executeQuery(raw('UPDATE "form" SET "version" = $1', [index + 1]));
    });
  }
  if (from > migrations.length) throw versionFailure(from);
  return migrations.length - from;
}

/** @throws {PortcullisError} `fleet_missing`, `store_version`, `config_invalid` */
export async function requireForm(db: Db, { schema, words }: Address, version?: 'any'): Promise<void> {
  await requireServer(db, 'store');
  if (!(await hasForm(db, schema)))
    throw new PortcullisError('fleet_missing', `${words} holds no store; "portcullis init" makes one`);
  const found = await versionOf(db);
  if (version !== 'any' && found !== migrations.length) throw versionFailure(found);
}

function versionFailure(found: number): PortcullisError {
  const advice = found < migrations.length ? 'run "portcullis upgrade" on it' : 'use a newer portcullis';
  const why = `the store has version ${found}, this program needs ${migrations.length}; ${advice}`;
  return new PortcullisError('store_version', why);
}

export async function hasForm(db: Db, schema: string): Promise<boolean> {
  const { rows } = await db.executeQuery(
    raw('SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2', [schema, 'form']),
  );
  return rows.length > 0;
}

async function versionOf(db: Db): Promise<number> {
  const { rows } = await db.executeQuery<{ version: number }>(raw('SELECT "version" FROM "form"'));
  return (rows[0] as { version: number }).version;
}
