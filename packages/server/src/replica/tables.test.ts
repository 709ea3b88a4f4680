import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { SnapshotSubject } from '@portcullis/contract';
import { closeGaps, forgetEnded, load, none, subjectRow, Tables } from './tables.ts';

const dayMs = 86_400_000;
const start = Date.parse('2030-01-01T00:00:00.000Z');
const text = (at: number) => new Date(at).toISOString();

/** Each with a certificate of ten days, and every tenth with two of a hundred days too. */
function subjectOf(index: number): SnapshotSubject {
  const origin = { revision: index, changedBy: `operator-${index % 3}`, changedAt: text(start) };
  const certificate = (days: number) => ({
    fingerprint: createHash('sha256').update(`${index} ${days}`).digest('hex'),
    ...{ standing: 'valid', notBefore: text(start), notAfter: text(start + days * dayMs), ...origin },
  });
  const certificates = [certificate(10), ...(index % 10 === 0 ? [certificate(100), certificate(101)] : [])];
  return SnapshotSubject.parse({
    ...{ subject: `d${index}`, kind: 'device', revision: index, attributes: {}, certificates },
  });
}

test('rows of certificates that ended are closed, in steps that move as many as they are told, and their room is given back', () => {
  const tables = new Tables();
  const count = 10_000;
  const forget = (rows: number, days: number) => forgetEnded(tables, Array(rows).keys(), start + days * dayMs);
  for (let index = 0; index < count; index++) load(tables, subjectOf(index));
  assert.ok(forget(tables.certificates.rows, 12));
  assert.deepEqual([tables.certificates.rows, tables.certificates.size], [count * 1.2, count / 5]);
  let steps = 0;
  for (; tables.certificates.gaps > 0; steps++) {
    const before = tables.certificates.rows;
    closeGaps(tables, 100);
    assert.ok(before - tables.certificates.rows <= 100);
  }
  assert.equal(steps, count / 100);
  for (let index = count; index < 2 * count; index++) load(tables, subjectOf(index));
  forget(tables.certificates.rows, 12);
  for (let index = 0; index < 2 * count; index++) assert.equal(checkedRows(tables, index), index % 10 === 0 ? 2 : 0);
  const few = 300;
  forget(tables.certificates.rows - few, 200);
  closeGaps(tables, Number.POSITIVE_INFINITY);
  for (const step of tables.fitting()) step();
  for (let index = 0; index < 2 * count; index++) checkedRows(tables, index);
  const { decisive, nextCertificate } = tables;
  assert.ok(decisive.cells.values.length <= few * decisive.width * 1.05);
  assert.ok(nextCertificate.values.length <= few * 1.05);
});

/** How many certificates the subject has, each of which is its own. */
function checkedRows(
  { subjects, firstCertificate, nextCertificate, certificateOrigin }: Tables,
  index: number,
): number {
  const subject = subjects.find(Buffer.from(`d${index}`));
  let rows = 0;
  for (let row = firstCertificate.get(subject); row !== none; row = nextCertificate.get(row)) {
    const { revision, changedBy } = certificateOrigin.get(row, '');
    assert.deepEqual([revision, changedBy], [index, `operator-${index % 3}`]);
    rows++;
  }
  return rows;
}

test('a subject has one row, in whatever order subjects come and however often', () => {
  const tables = new Tables();
  const ids = ['b', 'd', 'a', 'c', 'd', 'b', 'e', 'a'];
  assert.deepEqual(
    ids.map((id) => subjectRow(tables, id, 'device')),
    [0, 1, 2, 3, 1, 0, 4, 2],
  );
});
