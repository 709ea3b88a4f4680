import { PortcullisError } from '@portcullis/contract';
import { AbortedTransactionError } from 'kysely';
import type pg from 'pg';

/** PostgreSQL's codes: https://www.postgresql.org/docs/15/errcodes-appendix.html */
const codes = {
  diskFull: '53100',
  readOnly: '25006',
  noSuchText: ['22021', '22P05'],
  damaged: ['XX001', 'XX002'],
} as const;
/** Connections, logins, limits, what an operator stopped or takes no connections: all of these may be over in a moment. */
const passing = /^(08|28|3D|53|57|42501|25P0[34]|55000|55P03)/;

export const sqlStateOf = (error: unknown): string | undefined => {
  const { code } = error as { code?: unknown };
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : undefined;
};

/** The driver's own, without a code of the database: the connection was cut, or never made. */
const ofConnection = /Connection terminated|Client has encountered a connection error|timeout|not queryable/i;

export function isConnectionLost(error: unknown): boolean {
  if (!(error instanceof Error) || error instanceof PortcullisError) return false;
  if (sqlStateOf(error) !== undefined) return /^(08|57P)/.test(sqlStateOf(error) as string);
  return 'errno' in error || 'syscall' in error || error instanceof AggregateError || ofConnection.test(error.message);
}

/** A hot standby too says so. @throws {PortcullisError} `store_unavailable` */
export function requireChanges(readOnly: string): void {
  if (readOnly === 'on') throw new PortcullisError('store_unavailable', takesNone);
}

const takesNone = 'the database takes no changes: it is read-only, or a standby of another';

/** Somebody dropped the schema, or the tables in it. */
export const isSchemaGone = (error: unknown) => ['3F000', '42P01'].includes(sqlStateOf(error) ?? '');

/** Throws what PostgreSQL threw in our words; what is not PostgreSQL's passes unchanged. */
export function asFailure(error: unknown): never {
  if (error instanceof PortcullisError || !(error instanceof Error)) throw error;
  const state = sqlStateOf(error);
  const { message } = error;
  if (state === codes.diskFull)
    throw new PortcullisError('disk_full', "the database's disk is full; nothing was stored", { cause: error });
  if (state === codes.readOnly) throw new PortcullisError('store_unavailable', takesNone, { cause: error });
  if (codes.noSuchText.some((one) => one === state))
    throw new PortcullisError('request_malformed', 'a text holds a character that no database keeps: U+0000', {
      cause: error,
    });
  if (codes.damaged.some((one) => one === state))
    throw new PortcullisError('store_damaged', `the database is damaged (${message}); restore it from a backup`, {
      cause: error,
    });
  if (error instanceof AbortedTransactionError || passing.test(state ?? '') || isConnectionLost(error))
    throw new PortcullisError('store_unavailable', `the database can not be used now: ${message || state}`, {
      cause: error,
    });
  throw error;
}

/** What the driver says, and what in the address to change. */
const hints: [said: RegExp, hint: string][] = [
  [/client password must be/, 'it asks for a password, and the address names no passfile=FILE with one'],
  [
    /does not support SSL/,
    'it has no TLS, without which nothing goes over a network or where sslrootcert=FILE is named: switch "ssl" on there',
  ],
  [/certificate|altnames/i, 'its certificate does not hold, by what the system knows or sslrootcert=FILE'],
];

/** The same as a value. */
export function failureOf(error: unknown): unknown {
  try {
    return asFailure(error);
  } catch (failure) {
    return failure;
  }
}

/** No connection was made. Whatever is said of that, by the driver and by TLS too, may be over in a moment. */
export function noConnection(error: unknown): PortcullisError {
  const failure = failureOf(error);
  if (failure instanceof PortcullisError) return failure;
  const { message } = failure as Error;
  const hint = hints.find(([said]) => said.test(message))?.[1];
  const why = `the database can not be used now: ${hint ? `${hint} (${message})` : message}`;
  return new PortcullisError('store_unavailable', why, { cause: error });
}

/** Throws what was thrown where a database is opened, with which one it is. */
export function atDatabase(error: unknown, words: string): never {
  if (!(error instanceof PortcullisError) || !ofDatabase.includes(error.code)) throw error;
  throw new PortcullisError(error.code, `${words}: ${error.message}`, { cause: error.cause });
}

const ofDatabase: string[] = ['store_unavailable', 'store_damaged', 'disk_full'];

/** A commit whose answer leaves open whether it happened: a lost one, and one with a warning (a wait for a standby that was cancelled). */
export class CommitInDoubt extends PortcullisError {
  constructor(cause: unknown) {
    super(
      'store_unavailable',
      'the database did not say whether the change is stored: look before it is asked for again',
      {
        cause,
      },
    );
  }
}

/** A constraint that is looked at last, or a transaction that could not be ordered: it was rolled back, and the database says so. */
export const isRefusedCommit = (error: unknown) => /^(23|40)/.test(sqlStateOf(error) ?? '');

export type Notice = Pick<pg.DatabaseError, 'message'> & { severity?: string | undefined };
