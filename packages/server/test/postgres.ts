/**
 * The PostgreSQL of this machine, where it takes who runs the tests without a password: each test has a schema of its own, which is gone
 * with it.
 */
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { userInfo } from 'node:os';
import type { TestContext } from 'node:test';
import pg from 'pg';

export const place = { host: '127.0.0.1', port: 5432, database: 'test', user: userInfo().username };

export const serverPort = place.port;

function answers(): boolean {
  const code = `import pg from 'pg';
    const client = new pg.Client(${JSON.stringify({ ...place, connectionTimeoutMillis: 5_000 })});
    await client.connect(); await client.end();`;
  const options = { cwd: import.meta.dirname, timeout: 20_000 };
  return spawnSync(process.execPath, ['--input-type=module', '-e', code], options).status === 0;
}

/** Under CI a test without it fails. */
export const skip =
  process.env.CI === 'true' || answers()
    ? false
    : 'PostgreSQL with a database "test" on port 5432 is missing: NOT TESTED HERE';

/** One statement by a client of its own. */
export async function ask<Row extends pg.QueryResultRow>(text: string, values: unknown[] = []): Promise<Row[]> {
  const client = new pg.Client(place);
  await client.connect();
  try {
    return (await client.query<Row>(text, values)).rows;
  } finally {
    await client.end();
  }
}

/** The address of an empty schema, at this port: that of the server, or of what stands before it. */
export function freshSchema(context: TestContext, port = place.port): { url: string; schema: string } {
  const schema = newSchema();
  context.after(() => dropSchema(schema));
  return { schema, url: urlOf(schema, port) };
}

/** A database of a test's own, whose settings it may change. */
export async function freshDatabase(context: TestContext): Promise<{ url: string; database: string }> {
  const database = newSchema();
  await ask(`CREATE DATABASE ${database}`);
  context.after(() => ask(`DROP DATABASE ${database} WITH (FORCE)`));
  return { database, url: `postgres://${place.user}@${place.host}:${place.port}/${database}` };
}

/** From now on it takes no changes, or takes them again. */
export async function setReadOnly(database: string, setting: 'on' | 'off'): Promise<void> {
  await ask(`ALTER DATABASE ${database} SET default_transaction_read_only = ${setting}`);
  await ask('SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1', [database]);
}

export const newSchema = () => `test_${randomBytes(6).toString('hex')}`;

export const dropSchema = (schema: string) => ask(`DROP SCHEMA IF EXISTS ${schema} CASCADE`);

export const urlOf = (schema: string, port = place.port) =>
  `postgres://${place.user}@${place.host}:${port}/${place.database}?schema=${schema}`;
