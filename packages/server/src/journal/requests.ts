/**
 * Rule 17: a change may carry an id of its request, and its retry is answered by what the first one did, and never done twice: also at another
 * authority, since what it came to is kept in the transaction of the change, and looked up in that of the retry.
 */
import assert from 'node:assert';
import { PortcullisError } from '@portcullis/contract';
import type { Reader, Writer } from '../storage/storage.ts';
import type { RequestId } from './promises.ts';

/** So many of each actor are kept, for so long. */
export const requestsKeptMax = 1_000;
export const requestMsMax = 86_400_000;

interface Asked {
  actor: string;
  request: RequestId;
}

/** What a change came to: what its work resolved to, and its revision. */
export interface Came {
  result: unknown;
  since: number;
}

/** @throws {PortcullisError} `request_id_reused` where it was asked for something else */
export async function findRequest(db: Reader, { actor, request }: Asked, now: number): Promise<Came | undefined> {
  const row = await db
    .selectFrom('requests')
    .selectAll()
    .where('actor', '=', actor)
    .where('id', '=', request.id)
    .where('at', '>', now - requestMsMax)
    .executeTakeFirst();
  if (!row) return undefined;
  if (row.hash === request.hash) return { result: JSON.parse(row.result), since: row.revision };
  const why = `the request id "${request.id}" was used for another change, which is revision ${row.revision}; nothing was changed`;
  throw new PortcullisError('request_id_reused', why);
}

/** Within the transaction of the change; what is too old or too many goes. */
async function keepRequest(db: Writer, { actor, request }: Asked, now: number, { result, since }: Came): Promise<void> {
  const last = await db
    .selectFrom('requests')
    .select('number')
    .where('actor', '=', actor)
    .orderBy('number', 'desc')
    .limit(1)
    .executeTakeFirst();
  const number = (last?.number ?? 0) + 1;
  await db
    .deleteFrom('requests')
    .where('at', '<=', now - requestMsMax)
    .execute();
  await db
    .deleteFrom('requests')
    .where('actor', '=', actor)
    .where('number', '<=', number - requestsKeptMax)
    .execute();
  const { id, hash } = request;
  const row = { actor, id, hash, at: now, number, revision: since, result: JSON.stringify(result ?? null) };
  await db.insertInto('requests').values(row).execute();
}

/** Makes a change that carries an id only if none by that id was made; a crash leaves the change with what is kept of it, or neither. */
export async function once<Done extends Came>(
  db: Writer,
  { actor, request }: { actor: string; request?: RequestId | undefined },
  now: number,
  make: () => Promise<Done>,
): Promise<Done | Came> {
  if (!request) return make();
  assert(!request.outcome, 'one request is one change');
  const before = await findRequest(db, { actor, request }, now);
  if (before) return before;
  const done = await make();
  await keepRequest(db, { actor, request }, now, done);
  return done;
}
