import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { asFailure } from './failures.ts';

/** What it comes to, by the code of https://www.postgresql.org/docs/15/errcodes-appendix.html. */
const coded: [state: string, means: string, code: string | undefined][] = [
  ['08006', 'the connection broke', 'store_unavailable'],
  ['28P01', 'a wrong password', 'store_unavailable'],
  ['3D000', 'no such database', 'store_unavailable'],
  ['42501', 'it may not connect', 'store_unavailable'],
  ['53300', 'too many connections', 'store_unavailable'],
  ['55000', 'the database takes no connections', 'store_unavailable'],
  ['55P03', 'a lock was not given in time', 'store_unavailable'],
  ['57P01', 'an operator ended it', 'store_unavailable'],
  ['57P03', 'it is starting', 'store_unavailable'],
  ['25006', 'read-only', 'store_unavailable'],
  ['53100', 'its disk is full', 'disk_full'],
  ['22P05', 'a character that it has not', 'request_malformed'],
  ['XX001', 'damaged', 'store_damaged'],
  ['23505', 'a row is there already', undefined],
  ['42P01', 'no such table', undefined],
];

test('what PostgreSQL says about itself is told apart: it can not be used now, it is full or damaged, or somebody made a mistake', () => {
  for (const [state, means, code] of coded) {
    const said = Object.assign(new Error(means), { code: state });
    const expected = (error: unknown) =>
      code === undefined ? error === said : error instanceof PortcullisError && error.code === code;
    assert.throws(() => asFailure(said), expected, `${state}: ${means}`);
  }
});
