import { type Connections, raw } from '../../postgres/connections.ts';
import type { SinkRequest } from '../promises.ts';
import { type Claim, type Holder, keyOf } from './repeats.ts';

type Db = Connections['db'];

/** Times of receipt as they are kept: what a day's partition can be named after. */
const timeMax = Date.parse('9999-12-30T00:00:00Z');
export const receivedIn = ({ receivedAt }: Pick<SinkRequest, 'receivedAt'>) =>
  Math.min(Math.max(receivedAt, 0), timeMax);

export interface Place {
  gate: string;
  batch: number;
}

/** Keys with the number that each gets: those that nobody had, by their key. Always in one order, so that two gates wait and do not lock each other up. */
export async function claimKeys(
  db: Db,
  requests: readonly SinkRequest[],
  claims: ReadonlyMap<string, Claim>,
  { gate, batch }: Place,
): Promise<Set<string>> {
  if (claims.size === 0) return new Set();
  const all = [...claims.values()];
  const { rows } = await db.executeQuery<{ id: string; subject: string; stream: string }>(
    raw(
      `INSERT INTO keys (id, subject, stream, received_at, gate, batch, number)
       SELECT id, subject, stream, to_timestamp(received / 1000.0), $1, $2, number
       FROM unnest($3::text[], $4::int[], $5::bigint[]) AS claims (id, request, number)
         JOIN unnest($6::text[], $7::text[], $8::bigint[]) WITH ORDINALITY AS requests (subject, stream, received, request) USING (request)
       ORDER BY id, subject, stream ON CONFLICT DO NOTHING RETURNING id, subject, stream`,
      [
        ...[
          gate,
          batch,
          all.map(({ id }) => id),
          all.map(({ request }) => request + 1),
          all.map(({ number }) => number),
        ],
        ...whoseOf(requests),
      ],
    ),
  );
  return new Set(rows.map((row) => keyOf(row, row.id)));
}

const whoseOf = (requests: readonly SinkRequest[]) => [
  requests.map(({ subject }) => subject),
  requests.map(({ stream }) => stream),
  requests.map(receivedIn),
];

/** The readings that have keys already. One that is gone meanwhile is not there. */
export async function holdersOf(
  db: Db,
  requests: readonly SinkRequest[],
  claims: readonly Claim[],
  gate: string,
): Promise<Map<string, Holder>> {
  if (claims.length === 0) return new Map();
  const { rows } = await db.executeQuery<Holder & { id: string; subject: string; stream: string }>(
    raw(
      `SELECT keys.id, keys.subject, keys.stream, data::text AS data, device_ms AS "deviceTime",
         keys.gate = $1 OR keys.batch <= gates.looked AS readable
       FROM unnest($2::text[], $3::int[]) AS claims (id, request)
         JOIN unnest($4::text[], $5::text[], $6::bigint[]) WITH ORDINALITY AS requests (subject, stream, received, request) USING (request)
         JOIN keys ON keys.id = claims.id AND keys.subject = requests.subject AND keys.stream = requests.stream
         JOIN gates ON gates.gate = keys.gate
         JOIN readings ON readings.received_at = keys.received_at AND readings.gate = keys.gate AND readings.number = keys.number`,
      [gate, claims.map(({ id }) => id), claims.map(({ request }) => request + 1), ...whoseOf(requests)],
    ),
  );
  return new Map(rows.map((row) => [keyOf(row, row.id), row]));
}

/**
 * Keys whose reading is nowhere: somebody removed a day's table, or the row of a gate. Both came in one commit, so a key that is seen without its
 * reading never gets it back. They are locked first, in one order: what another gate makes of one meanwhile is seen by the statement after that.
 */
export async function dropOrphans(db: Db, requests: readonly SinkRequest[], claims: readonly Claim[]): Promise<void> {
  const named = [claims.map(({ id }) => id), claims.map(({ request }) => request + 1), ...whoseOf(requests)];
  await db.executeQuery(
    raw(
      `SELECT 1 FROM keys JOIN (unnest($1::text[], $2::int[]) AS claims (id, request)
         JOIN unnest($3::text[], $4::text[], $5::bigint[]) WITH ORDINALITY AS requests (subject, stream, received, request) USING (request))
         ON keys.id = claims.id AND keys.subject = requests.subject AND keys.stream = requests.stream
       ORDER BY keys.id, keys.subject, keys.stream FOR UPDATE OF keys`,
      named,
    ),
  );
  await db.executeQuery(
    raw(
      `DELETE FROM keys USING unnest($1::text[], $2::int[]) AS claims (id, request)
         JOIN unnest($3::text[], $4::text[], $5::bigint[]) WITH ORDINALITY AS requests (subject, stream, received, request) USING (request)
       WHERE keys.id = claims.id AND keys.subject = requests.subject AND keys.stream = requests.stream
         AND NOT EXISTS (SELECT 1 FROM gates JOIN readings ON readings.gate = gates.gate
           WHERE gates.gate = keys.gate AND readings.received_at = keys.received_at AND readings.number = keys.number)`,
      named,
    ),
  );
}

/** Of requests that were taken back: their keys are free, or another reading's of the same write. */
export async function correctKeys(
  db: Db,
  { gate, batch }: Place,
  wrong: readonly { number: number; taken: number | undefined; received: number }[],
): Promise<void> {
  for (const { number, taken, received } of wrong) {
    const [text, more] =
      taken === undefined
        ? ['DELETE FROM keys WHERE gate = $1 AND batch = $2 AND number = $3', []]
        : [
            'UPDATE keys SET number = $4, received_at = to_timestamp($5::bigint / 1000.0) WHERE gate = $1 AND batch = $2 AND number = $3',
            [taken, received],
          ];
    await db.executeQuery(raw(text, [gate, batch, number, ...more]));
  }
}

interface Batch extends Place {
  instance: string;
}

/** `stored`: by request, the places of the readings that are. */
export async function insertReadings(
  db: Db,
  requests: readonly SinkRequest[],
  stored: readonly number[][],
  { gate, batch, instance, base }: Batch & { base: number },
): Promise<void> {
  const columns: unknown[][] = Array.from({ length: 8 }, () => []);
  let first = base + 1;
  for (const [index, { ids, deviceTimes, clocks, sequences, runs, data }] of requests.entries()) {
    for (const place of stored[index] ?? []) {
      const row = [
        first + place,
        index + 1,
        ids[place],
        deviceTimes[place],
        clocks[place],
        sequences[place],
        runs[place],
      ];
      for (const [column, value] of [...row, data[place]].entries()) columns[column]?.push(value ?? null);
    }
    first += ids.length;
  }
  if (columns[0]?.length === 0) return;
  await db.executeQuery(
    raw(
      `INSERT INTO readings (received_at, gate, number, batch, request, subject, stream, id, device_ms, clock, certificate, instance,
         policy, revision, sealed, carried_by, sequence, run, data)
       SELECT to_timestamp(received / 1000.0), $1, number, $2, first, subject, stream, id, device_ms, clock, certificate, $3,
         policy, revision, sealed, carried_by, sequence, run, data::json
       FROM unnest($4::bigint[], $5::int[], $6::text[], $7::bigint[], $8::text[], $9::bigint[], $10::text[], $11::text[])
           AS readings (number, request, id, device_ms, clock, sequence, run, data)
         JOIN unnest($12::text[], $13::text[], $14::bigint[], $15::text[], $16::bigint[], $17::bigint[], $18::bool[], $19::text[], $20::bigint[])
           WITH ORDINALITY AS requests (subject, stream, received, certificate, policy, revision, sealed, carried_by, first, request)
           USING (request)`,
      [
        ...[gate, batch, instance, ...columns, ...whoseOf(requests)],
        requests.map(({ certificate }) => certificate),
        requests.map(({ policy }) => policy),
        requests.map(({ revision }) => revision),
        requests.map(({ sealed }) => sealed),
        requests.map(({ carriedBy }) => carriedBy),
        firstsOf(requests, base),
      ],
    ),
  );
}

/** What a request is told apart by: the number of its first reading. */
function firstsOf(requests: readonly SinkRequest[], base: number): number[] {
  let first = base + 1;
  return requests.map(({ ids }) => {
    const own = first;
    first += ids.length;
    return own;
  });
}

/** None of it will be readable: its keys are free. */
export async function removeBatch(db: Db, { gate, batch }: Place): Promise<void> {
  await db.executeQuery(
    raw(
      `WITH gone AS (DELETE FROM batches WHERE gate = $1 AND batch = $2 RETURNING *),
         removed AS (
           DELETE FROM readings USING gone
           WHERE readings.gate = $1 AND readings.number BETWEEN gone.first_number AND gone.last_number
             AND readings.received_at BETWEEN gone.first_at AND gone.last_at),
         withdrawn AS (DELETE FROM rivals WHERE gate = $1 AND batch = $2)
       DELETE FROM keys USING gone
       WHERE keys.gate = $1 AND keys.batch = $2 AND keys.received_at BETWEEN gone.first_at AND gone.last_at`,
      [gate, batch],
    ),
  );
}
