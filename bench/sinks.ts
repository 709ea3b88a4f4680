/** Readings that are durable, a second: in each sink by the writes that a gate makes, and by a bare client of the same database or server beside it. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { parseAddress } from '../packages/server/src/storage/postgres/address.ts';
import { withAccount } from '../packages/server/src/storage/sink/account.ts';
import { openJetStreamSink } from '../packages/server/src/storage/sink/jetstream/jetstream-sink.ts';
import { openPostgresSink } from '../packages/server/src/storage/sink/postgres/postgres-sink.ts';
import type { Sink, SinkRequest } from '../packages/server/src/storage/sink/promises.ts';
import { openSqliteSink } from '../packages/server/src/storage/sink/sink-sqlite.ts';
import { NatsServer, password } from '../packages/server/test/nats-server.ts';
import { dropSchema, newSchema, place, urlOf } from '../packages/server/test/postgres.ts';
import { freeBasePort } from '../tools/commands.ts';
import type { Result, Row } from './bench.ts';
import { thousands } from './measure.ts';

/** So many at least are stored before the time is taken, so that tables and caches are there. */
const warmUp = 5;
const milliseconds = 8_000;
const atLeast = 0.7;
const subjects = 1_000;

interface Shape {
  what: string;
  requests: number;
  readings: number;
}
const shapes: Shape[] = [
  { what: '500 requests of one', requests: 500, readings: 1 },
  { what: '20 requests of a hundred', requests: 20, readings: 100 },
];

/** One write of a gate, whose ids no other has. */
function requestsOf({ requests, readings }: Shape, batch: number): SinkRequest[] {
  return Array.from({ length: requests }, (_, at) => {
    const places = Array.from({ length: readings }, (__, place) => place);
    const each = <Value>(value: Value) => places.map(() => value);
    return {
      ...{ subject: `truck-${(batch * requests + at) % subjects}`, certificate: 'ab'.repeat(32), stream: 'telemetry' },
      ...{ receivedAt: Date.now(), policy: 1, revision: 7, carriedBy: null, sealed: false, watched: [] },
      ...{ ids: places.map((one) => `${batch}-${at}-${one}`), given: each(true), deviceTimes: each(Date.now()) },
      ...{ clocks: each('synchronized' as const), sequences: each(null), runs: each(null) },
      data: places.map((one) => `{"temperature":${20 + (one % 10)}.5,"humidity":61,"battery":3.62}`),
    };
  });
}

interface Flat {
  id: string;
  request: SinkRequest;
  deviceTime: number | null;
  data: string;
}

const flat = (requests: SinkRequest[]): Flat[] =>
  requests.flatMap((request) =>
    request.ids.map((id, at) => ({
      ...{ id, request, deviceTime: request.deviceTimes[at] ?? null, data: request.data[at] ?? '' },
    })),
  );

type Write = (requests: SinkRequest[], batch: number) => Promise<unknown>;

/** Writes one after another, each durable before the next; readings a second. */
async function speedOf(shape: Shape, write: Write): Promise<number> {
  let batch = 0;
  for (; batch < warmUp; batch++) await write(requestsOf(shape, batch + 1), batch + 1);
  let stored = 0;
  const begun = performance.now();
  while (performance.now() - begun < milliseconds) {
    batch++;
    await write(requestsOf(shape, batch), batch);
    stored += shape.requests * shape.readings;
  }
  return (stored / (performance.now() - begun)) * 1_000;
}

/** As a gate does: each write says how far the ones before it were looked at. */
async function ofSink(shape: Shape, open: () => Promise<Sink>): Promise<number> {
  await using sink = await open();
  return await speedOf(shape, (requests, batch) => {
    const looked = { looked: batch - 1, quarantine: [], proven: batch - 1, unproven: [] };
    return sink.write({ batch, instance: 'bench', ...looked, requests });
  });
}

function bareSqlite(shape: Shape, directory: string): Promise<number> {
  const database = new DatabaseSync(join(directory, 'bare.db'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
  database.exec(
    'CREATE TABLE readings (subject, stream, id, certificate, receivedAt, deviceTime, data, PRIMARY KEY (subject, stream, id))',
  );
  const insert = database.prepare('INSERT INTO readings VALUES (?, ?, ?, ?, ?, ?, ?)');
  return speedOf(shape, async (requests) => {
    database.exec('BEGIN');
    for (const { id, request, deviceTime, data } of flat(requests))
      insert.run(request.subject, request.stream, id, request.certificate, request.receivedAt, deviceTime, data);
    database.exec('COMMIT');
  }).finally(() => database.close());
}

/** `COPY` into one table with the same key, by psql, which commits each. */
async function barePostgres(shape: Shape, schema: string): Promise<number> {
  const { host, port, database, user } = place;
  const where = ['-h', host, '-p', String(port), '-U', user, '-d', database, '-qAt', '-v', 'ON_ERROR_STOP=1'];
  const table = `${schema}.bare`;
  const columns =
    'subject text, stream text, id text, certificate text, "receivedAt" bigint, "deviceTime" bigint, data text';
  execFileSync('psql', [...where, '-c', `CREATE TABLE ${table} (${columns}, PRIMARY KEY (subject, stream, id))`]);
  const psql = spawn('psql', where, { stdio: ['pipe', 'pipe', 'inherit'] });
  try {
    return await speedOf(shape, async (requests) => {
      const lines = flat(requests).map(({ id, request, deviceTime, data }) =>
        [request.subject, request.stream, id, request.certificate, request.receivedAt, deviceTime, data].join('\t'),
      );
      psql.stdin.write(`COPY ${table} FROM STDIN;\n${lines.join('\n')}\n\\.\nSELECT 'stored';\n`);
      await once(psql.stdout, 'data');
    });
  } finally {
    psql.stdin.end();
    await once(psql, 'exit');
  }
}

async function bareJetStream(shape: Shape, server: NatsServer, user: string): Promise<number> {
  const connection = await connect({ port: server.port, user, pass: password });
  const stream = jetstream(connection);
  try {
    return await speedOf(shape, (requests) =>
      Promise.all(
        flat(requests).map(({ id, request, data }) =>
          stream.publish(`readings.${request.stream}.${request.subject}`, data, { msgID: `${request.subject} ${id}` }),
        ),
      ),
    );
  } finally {
    await connection.close();
  }
}

function rowOf(sink: string, peer: string, { what }: Shape, ours: number, bare: number): Row {
  const share = ours / bare;
  return {
    what: `${sink}: ${what}`,
    ours: `${thousands(ours)} readings/s (${share.toFixed(2)} ×)`,
    peer: `${thousands(bare)}/s (${peer})`,
    ...{ target: `≥ ${atLeast} ×`, met: share >= atLeast },
  };
}

export async function benchSinks(): Promise<Result> {
  const home = mkdtempSync(join(tmpdir(), 'portcullis-sinks-'));
  const server = await NatsServer.start(await freeBasePort());
  const schemas: string[] = [];
  const rows: Row[] = [];
  try {
    for (const [number, shape] of shapes.entries()) {
      const directoryOf = (name: string) => mkdtempSync(join(home, `${name}-${number}-`));
      const sqlite = await ofSink(shape, () => openSqliteSink(directoryOf('sqlite')));
      rows.push(rowOf('SQLite', 'bare inserts', shape, sqlite, await bareSqlite(shape, directoryOf('bare'))));

      const schema = newSchema();
      schemas.push(schema);
      const address = parseAddress(urlOf(schema), () => '', 'sink');
      const gate = { gate: 'gate-1', holder: 'bench' };
      const postgres = await ofSink(shape, () =>
        withAccount(directoryOf('postgres'), undefined, (account) => openPostgresSink({ address, ...gate, account })),
      );
      rows.push(rowOf('PostgreSQL', 'COPY', shape, postgres, await barePostgres(shape, schema)));

      const [own, bare] = [server.newUser(), server.newUser()];
      for (const user of [own, bare]) await server.makeStream(user);
      const stream = await ofSink(shape, () =>
        withAccount(directoryOf('stream'), undefined, (account) =>
          openJetStreamSink({ address: server.addressOf(own), ...gate, account }),
        ),
      );
      rows.push(rowOf('JetStream', 'bare publish', shape, stream, await bareJetStream(shape, server, bare)));
    }
    return { rows };
  } finally {
    await server.remove();
    for (const schema of schemas) await dropSchema(schema);
    rmSync(home, { recursive: true, force: true });
  }
}
