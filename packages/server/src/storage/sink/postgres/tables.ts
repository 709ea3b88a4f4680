import { PortcullisError } from '@portcullis/contract';
import { sql } from 'kysely';
import type { Address } from '../../postgres/address.ts';
import { type Connections, raw } from '../../postgres/connections.ts';
import { sqlStateOf } from '../../postgres/failures.ts';
import { requireServer } from '../../postgres/server.ts';

type Db = Connections['db'];

export const dayMs = 86_400_000;

/** Steps from an empty schema to the present one. A step is never edited once released. */
const migrations: readonly string[] = [
  `
  -- holder: the process that writes under this name; another that starts takes its place. pruned_before: what was received earlier,
  -- up to pruned_number, is not there for anybody, and goes with its day once every gate has pruned that.
  CREATE TABLE gates (
    gate text PRIMARY KEY, holder text NOT NULL, looked bigint NOT NULL DEFAULT 0, proven bigint NOT NULL DEFAULT 0,
    last_batch bigint NOT NULL DEFAULT 0, last_number bigint NOT NULL DEFAULT 0,
    pruned_before timestamptz NOT NULL DEFAULT to_timestamp(0), pruned_number bigint NOT NULL DEFAULT 0
  );
  -- Batches that are not proven yet, and those that never will be. account: what the gate's own account takes of it.
  CREATE TABLE batches (
    gate text NOT NULL, batch bigint NOT NULL, instance text NOT NULL, judged_at bigint NOT NULL, subjects text NOT NULL, account text NOT NULL,
    first_number bigint NOT NULL, last_number bigint NOT NULL, first_at timestamptz NOT NULL, last_at timestamptz NOT NULL,
    state text NOT NULL DEFAULT 'stored' CHECK (state IN ('stored', 'unproven')), PRIMARY KEY (gate, batch)
  );
  -- Numbers are given by the gate that stores, in the order of its commits. request: the number of the first reading that came with it.
  CREATE TABLE readings (
    received_at timestamptz NOT NULL, gate text NOT NULL, number bigint NOT NULL, batch bigint NOT NULL, request bigint NOT NULL,
    subject text NOT NULL, stream text NOT NULL, id text NOT NULL, device_ms bigint, clock text NOT NULL, certificate text NOT NULL,
    instance text NOT NULL, policy bigint NOT NULL, revision bigint NOT NULL, sealed boolean NOT NULL, carried_by text,
    sequence bigint, run text, data json NOT NULL, PRIMARY KEY (received_at, gate, number)
  ) PARTITION BY RANGE (received_at);
  CREATE INDEX ON readings (gate, number);
  -- Of ids that devices gave. One table for all days: a partitioned one would tell keys apart by their day.
  CREATE TABLE keys (
    id text NOT NULL, subject text NOT NULL, stream text NOT NULL, received_at timestamptz NOT NULL, gate text NOT NULL, batch bigint NOT NULL,
    number bigint NOT NULL, PRIMARY KEY (id, subject, stream)
  );
  CREATE INDEX ON keys (gate, received_at);
  -- Readings that another gate has stored too and not made readable yet: whoever does so first keeps his.
  CREATE TABLE rivals (
    gate text NOT NULL, number bigint NOT NULL, batch bigint NOT NULL, received_at timestamptz NOT NULL, id text NOT NULL, subject text NOT NULL,
    stream text NOT NULL, PRIMARY KEY (gate, number)
  );
  CREATE VIEW readable_readings AS
    SELECT readings.received_at, readings.gate, readings.number, readings.subject, readings.stream, readings.id,
      CASE WHEN device_ms BETWEEN -62135596800000 AND 253402300799999 THEN to_timestamp(device_ms / 1000.0) END AS device_time,
      clock, certificate, readings.instance, policy, revision, sealed, carried_by, sequence, run,
      CASE WHEN batches.state = 'unproven' OR readings.batch > gates.proven THEN 'unproven' ELSE 'proven' END AS proof, data
    FROM readings JOIN gates ON gates.gate = readings.gate
      LEFT JOIN batches ON batches.gate = readings.gate AND batches.batch = readings.batch
    WHERE readings.batch <= gates.looked AND (readings.received_at >= pruned_before OR readings.number > pruned_number);
  `,
];

/**
 * What batches have beside, and a gate of an earlier version does not know: it may be null, so that such a one writes on. It is no step, or
 * that gate would not start any more. What a gate had applied when it wrote the batch.
 */
const additions = { head_revision: 'bigint', head_hash: 'text' };

async function addColumns(db: Db, { schema }: Address): Promise<void> {
  const { rows } = await db.executeQuery<{ name: string }>(
    raw(
      `SELECT column_name AS name FROM information_schema.columns WHERE table_schema = $1 AND table_name = 'batches'`,
      [schema],
    ),
  );
  const known = new Set(rows.map(({ name }) => name));
  for (const [name, type] of Object.entries(additions))
    if (!known.has(name)) await db.executeQuery(raw(`ALTER TABLE batches ADD COLUMN ${name} ${type}`));
}

/** One at a time, of however many gates that start or begin a day together. */
const alone = (db: Db, { schema }: Pick<Address, 'schema'>) =>
  db.executeQuery(raw('SELECT pg_advisory_xact_lock(hashtextextended($1, 0))', [`portcullis sink ${schema}`]));

/**
 * Makes the tables, or what they lack of the present form: each gate that starts does, in one transaction.
 * @throws {PortcullisError} `config_invalid`, `store_version`
 */
export async function requireTables(db: Db, address: Address): Promise<void> {
  await requireServer(db, 'sink');
  await db.transaction().execute(async (transaction) => {
    await alone(transaction, address);
    await makeSchema(transaction, address);
    const { rows } = await transaction.executeQuery<{ version: number }>(raw('SELECT version FROM sink_form'));
    const from = rows[0]?.version ?? 0;
    if (from > migrations.length) throw versionFailure(from);
    for (const step of migrations.slice(from)) await sql.raw(step).execute(transaction);
    await addColumns(transaction, address);
    await transaction.executeQuery(raw('UPDATE sink_form SET version = $1', [migrations.length]));
  });
}

async function makeSchema(db: Db, { schema }: Address): Promise<void> {
  const { rows } = await db.executeQuery(
    raw('SELECT 1 FROM pg_tables WHERE schemaname = $1 AND tablename = $2', [schema, 'sink_form']),
  );
  if (rows.length > 0) return;
  await db.executeQuery(raw(`CREATE SCHEMA IF NOT EXISTS "${schema}"`));
  await db.executeQuery(raw('CREATE TABLE sink_form (version bigint NOT NULL)'));
  await db.executeQuery(raw('INSERT INTO sink_form VALUES (0)'));
}

function versionFailure(found: number): PortcullisError {
  const why = `the sink has version ${found}, this program needs ${migrations.length}; use a newer portcullis`;
  return new PortcullisError('store_version', why);
}

const dateOf = (day: number) => new Date(day * dayMs).toISOString().slice(0, 10);
const partitionOf = (day: number) => `readings_${dateOf(day).replaceAll('-', '_')}`;

/** Of one day of receipt, counted from 1970. */
export async function makePartition(db: Db, address: Address, day: number): Promise<void> {
  await db.transaction().execute(async (transaction) => {
    await alone(transaction, address);
    await transaction.executeQuery(
      raw(
        `CREATE TABLE IF NOT EXISTS "${partitionOf(day)}" PARTITION OF readings
         FOR VALUES FROM ('${dateOf(day)} 00:00:00+00') TO ('${dateOf(day + 1)} 00:00:00+00')`,
      ),
    );
  });
}

/** The tables of the days that there are. */
export async function partitionsIn(db: Db): Promise<string[]> {
  const { rows } = await db.executeQuery<{ name: string }>(
    raw(
      `SELECT relname AS name FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
       WHERE inhparent = 'readings'::regclass ORDER BY relname`,
    ),
  );
  return rows.map(({ name }) => name);
}

/** Days that every gate has pruned. One that is being read from now is dropped next time. */
export async function dropPartitions(db: Db, address: Address): Promise<void> {
  const { rows } = await db.executeQuery<{ name: string }>(
    raw(
      `SELECT relname AS name FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
       WHERE inhparent = 'readings'::regclass
         AND (to_date(substr(relname, 10), 'YYYY_MM_DD') + 1)::timestamp AT TIME ZONE 'UTC' <= (SELECT min(pruned_before) FROM gates)`,
    ),
  );
  for (const { name } of rows) {
    const dropped = db.transaction().execute(async (transaction) => {
      await alone(transaction, address);
      await transaction.executeQuery(raw("SET LOCAL lock_timeout = '1s'"));
      await transaction.executeQuery(raw(`LOCK TABLE "${name}"`));
      // What was received since by a clock that was set back.
      const { rows: later } = await transaction.executeQuery(
        raw(
          `SELECT 1 FROM gates JOIN "${name}" AS day ON day.gate = gates.gate AND day.number > pruned_number LIMIT 1`,
        ),
      );
      if (later.length === 0) await transaction.executeQuery(raw(`DROP TABLE "${name}"`));
    });
    await dropped.catch((error: unknown) => {
      // Another gate was faster.
      if (!['55P03', '42P01'].includes(sqlStateOf(error) ?? '')) throw error;
    });
  }
}
