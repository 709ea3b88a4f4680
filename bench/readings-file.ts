/** A gate's file of readings, as large as one wants it, on a stopped gate: rows as its sink writes them, each of a request and a commit of its own. */
import { statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';

const rowsPerTransaction = 100_000;
/** Some 330 bytes of the file are one reading, with its request and its keys. */
const data = '{"temperature":4.25,"door":0}';

/** `file`: what a gate has made. Resolves to how many readings are in it. */
export function fillReadings(file: string, bytes: number): number {
  const database = new DatabaseSync(file);
  try {
    // Whoever fills it again after a crash begins anew.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF');
    database.exec("INSERT INTO channels VALUES (1, 'bench-0', 'telemetry')");
    const numbers = 'WITH RECURSIVE n(i) AS (SELECT ?1 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ?2)';
    const requests = database.prepare(`${numbers} INSERT INTO requests
      (number, batch, subject, certificate, stream, receivedAt, instance, policy, revision)
      SELECT i, i, 'bench-0', '${'a'.repeat(64)}', 'telemetry', 1700000000000 + i, '${'b'.repeat(32)}', 1, 1 FROM n`);
    const readings = database.prepare(`${numbers} INSERT INTO readings
      (number, request, channel, id, given, deviceTime, clock, data)
      SELECT i, i, 1, printf('%016d-bench', i), 1, 1700000000000 + i, 'synchronized', '${data}' FROM n`);
    let from = 1;
    for (; statSync(file).size < bytes; from += rowsPerTransaction) {
      database.exec('BEGIN');
      for (const insert of [requests, readings]) insert.run(from, from + rowsPerTransaction);
      database.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE)');
    }
    const last = from - 1;
    database.exec(`UPDATE progress SET looked = ${last}, proven = ${last}, counted = ${last}`);
    return last;
  } finally {
    database.close();
  }
}
