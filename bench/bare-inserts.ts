/** What SQLite does of itself: rows of readings into a file of a gate's sink, batch after batch, with nothing looked at and no thread between. */
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { sinkMigrations } from '../packages/server/src/storage/sink/sink-schema.ts';
import { migrate, openDatabase } from '../packages/server/src/storage/sqlite-database.ts';

const warmUp = 5;

/** Each commit has so many requests of so many readings. Rows a second. */
export function bareInserts(directory: string, requests: number, readings: number, milliseconds: number): number {
  const file = join(directory, 'bare-inserts.db');
  migrate(file, sinkMigrations);
  const database = openDatabase(file, 'write');
  const request = database.prepare(
    `INSERT INTO requests (batch, subject, certificate, stream, receivedAt, instance, policy, revision, carriedBy, sealed)
     VALUES (?, 'truck-17', 'bare', 'telemetry', ?, 'bare', 1, 1, NULL, 0)`,
  );
  const reading = database.prepare(
    `INSERT INTO readings (number, request, channel, id, given, deviceTime, clock, data, run, sequence)
     VALUES (?, ?, 1, ?, 1, NULL, 'unknown', '{"temperature":21.5,"humidity":40}', NULL, NULL)`,
  );
  let [rows, begun] = [0, performance.now()];
  for (let batch = 1; batch <= warmUp || performance.now() - begun < milliseconds; batch++) {
    if (batch === warmUp + 1) begun = performance.now();
    database.exec('BEGIN');
    for (let index = 0; index < requests; index++) {
      const { lastInsertRowid } = request.run(batch, Date.now());
      for (let line = 0; line < readings; line++) reading.run(++rows, lastInsertRowid, `bare-${rows}`);
    }
    database.exec('COMMIT');
  }
  const perSecond = (rows - warmUp * requests * readings) / ((performance.now() - begun) / 1_000);
  database.close();
  for (const end of ['', '-wal', '-shm']) rmSync(`${file}${end}`, { force: true });
  return perSecond;
}
