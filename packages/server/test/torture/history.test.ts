/** The checker itself: each kind of violation in a history made by hand, and the same history without it. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Bounds, type Call, type Change, type History, type Row, violationsOf } from './history.ts';
import { Timeline } from './timeline.ts';

const fingerprint = 'ab'.repeat(32);
const call = (fields: Partial<Call>): Call => ({
  ...{
    gate: 'gate-1',
    subject: 'truck-1',
    certificate: fingerprint,
    ids: [],
    begin: 0,
    end: 1,
    status: 202,
    reason: '',
  },
  ...fields,
});
const row = (fields: Partial<Row>): Row => ({
  ...{
    gate: 'gate-1',
    subject: 'truck-1',
    certificate: fingerprint,
    id: 'a',
    batch: 1,
    revision: 1,
    state: 'proven',
    readable: true,
  },
  ...fields,
});

const applied = ['gate-1'];
/** truck-1 is admissible from revision 1, not from 2, and again from 3; all receipts were given. */
const changes: Change[] = [
  { what: 'first', begin: -2, end: -1, revision: 1, confirmed: 1, looked: { 'gate-1': 0 }, applied },
  { what: 'off', begin: 10, end: 20, revision: 2, confirmed: 2, looked: { 'gate-1': 5 }, applied },
  { what: 'on', begin: 30, end: 40, revision: 3, confirmed: 3, looked: { 'gate-1': 9 }, applied },
];

function historyOf(parts: Partial<History>): History {
  const timeline = new Timeline();
  const certificate = { fingerprint, notBefore: '', notAfter: '' };
  const status = (value: string) => ({ status: { value, public: false } });
  timeline.apply(1, [
    { subject: 'truck-1', attributes: status('active'), certificates: [{ ...certificate, standing: 'valid' }] },
  ] as never);
  timeline.apply(2, [{ subject: 'truck-1', attributes: status('off') }] as never);
  timeline.apply(3, [{ subject: 'truck-1', attributes: status('active') }] as never);
  return { calls: [], rows: [], changes, timeline, retired: new Map(), ...parts };
}

const found = (parts: Partial<History>) =>
  violationsOf(historyOf(parts)).map(({ promise, what }) => `${promise} ${what}`);

const acknowledgedLate = 'P6 acknowledged, although begun after the receipt that forbade it';
const refusedLate = 'P7 refused, although begun after the receipt that allowed it';
const wrongTime = 'P7 judged at a revision that is not of its time';

const standingRefused = (gate: string) => ({ gate, begin: 41, end: 45, status: 403, reason: 'not_admitted' });

const callRows: [string, Partial<Call>, string[]][] = [
  ['acknowledged before the change', { begin: 1, end: 9 }, []],
  ['acknowledged while the change waits for its receipt', { begin: 12, end: 15 }, []],
  ['begun before the receipt and acknowledged after it', { begin: 19, end: 25 }, []],
  ['begun after the receipt and acknowledged', { begin: 21, end: 25 }, [acknowledgedLate]],
  ['begun after the receipt, with a change that allows it begun meanwhile', { begin: 21, end: 31 }, []],
  ['begun after the receipt that allows it', { begin: 41, end: 45 }, []],
  ['refused before anything forbade it', { begin: 1, end: 9, status: 403 }, [refusedLate]],
  ['refused while the change waits for its receipt', { begin: 12, end: 15, status: 403 }, []],
  ['refused while the change that allows it waits for its receipt', { begin: 31, end: 45, status: 403 }, []],
  ['refused after the receipt that allows it', { begin: 41, end: 45, status: 403 }, [refusedLate]],
  ['of a suspended one refused after the receipt of a gate that applied it', standingRefused('gate-1'), [refusedLate]],
  ['of a suspended one refused by a gate that held no lease when the receipt was given', standingRefused('gate-2'), []],
  ['told to come again after the receipt that allows it', { begin: 41, end: 45, status: 503 }, []],
  ['never answered', { begin: 21, end: 25, status: 0 }, []],
  ['answered 500', { begin: 1, end: 9, status: 500 }, ['P10 answered what nothing of this run explains']],
  ['judged at a revision older than a receipt', { begin: 41, end: 45, revision: 2 }, [wrongTime]],
  ['judged at a revision that was not made yet', { begin: 1, end: 9, revision: 2 }, [wrongTime]],
];

for (const [what, fields, expected] of callRows) {
  test(`P6, P7: a call ${what}: ${expected.length === 0 ? 'right' : 'wrong'}`, () => {
    assert.deepEqual(found({ calls: [call(fields)] }), expected);
  });
}

const late = 'P7 became readable after the receipt that forbade it';
const notAdmissible = 'P4 stored, although not admissible at its own revision';

const storedRows: [string, Partial<Row>, string[]][] = [
  ['readable when the receipt was given', { batch: 5 }, []],
  ['made readable after the receipt that forbade it', { batch: 6 }, [late]],
  ['made readable after a later receipt that allows it', { batch: 10 }, [late]],
  ['made readable late and named unproven', { batch: 6, state: 'unproven' }, []],
  ['quarantined', { batch: 6, state: 'quarantined', readable: false }, []],
  ['judged anew at the revision that allows it', { batch: 10, revision: 3 }, []],
  ['of another gate', { gate: 'gate-2', batch: 6 }, []],
  ['judged at the revision that forbade it', { batch: 5, revision: 2 }, [notAdmissible]],
  ['of a certificate that nobody knows', { batch: 5, certificate: 'cd'.repeat(32) }, [notAdmissible]],
];

for (const [what, fields, expected] of storedRows) {
  test(`P7: a row ${what}: ${expected.length === 0 ? 'right' : 'wrong'}`, () => {
    assert.deepEqual(found({ rows: [row(fields)] }), expected);
  });
}

test('P7: a change whose answer was lost forbids from the next receipt on, and not before', () => {
  const lost = changes.map((change) => (change.revision === 2 ? { ...change, confirmed: undefined } : change));
  const calls = [call({ begin: 21, end: 25 })];
  assert.deepEqual(found({ changes: lost, calls }), []);
  const other = { what: 'other', begin: 21, end: 22, revision: undefined, confirmed: 2, looked: {}, applied };
  assert.deepEqual(found({ changes: [...lost, other], calls: [call({ begin: 23, end: 25 })] }), [acknowledgedLate]);
});

test('P8: what was acknowledged is readable exactly once', () => {
  const calls = [call({ ids: ['a', 'b'] })];
  const [once, other] = [row({ id: 'a' }), row({ id: 'b' })];
  assert.deepEqual(found({ calls, rows: [once, other] }), []);
  assert.deepEqual(found({ calls, rows: [once, other, { ...once, batch: 2 }] }), ['P8 readable more than once']);
  assert.deepEqual(found({ calls, rows: [once] }), ['P8 acknowledged, and not readable']);
  const elsewhere = { ...other, gate: 'gate-2' };
  assert.deepEqual(found({ calls, rows: [once, elsewhere] }), ['P8 acknowledged, and not readable']);
  const hidden = { ...other, state: 'quarantined', readable: false } as const;
  assert.deepEqual(found({ calls, rows: [once, hidden] }), ['P8 acknowledged, and not readable']);
});

test('a suspended certificate forbids, a resumed one allows', () => {
  const timeline = new Timeline();
  const certificates = (standing: string) => [{ fingerprint, standing, notBefore: '', notAfter: '' }];
  timeline.apply(1, [{ subject: 'truck-1', attributes: { status: { value: 'active', public: false } } }] as never);
  assert.equal(timeline.admissibleAt(fingerprint, 1), false, 'it has no certificate yet');
  for (const [index, standing] of ['valid', 'suspended', 'valid', 'revoked'].entries()) {
    timeline.apply(index + 2, [{ subject: 'truck-1', certificates: certificates(standing) }] as never);
  }
  const seen = [2, 3, 4, 5, 6].map((revision) => timeline.admissibleAt(fingerprint, revision));
  assert.deepEqual(seen, [true, false, true, false, false]);
  assert.deepEqual([timeline.ever(fingerprint, true, 3, 3), timeline.ever(fingerprint, true, 3, 4)], [false, true]);
});

test('the bounds of a time: receipts given before it, changes begun by then', () => {
  const bounds = new Bounds(changes);
  assert.deepEqual(
    [20, 21, 40, 41].map((time) => bounds.receiptedBefore(time)),
    [1, 2, 2, 3],
  );
  assert.deepEqual(
    [9, 10, 29, 30].map((time) => bounds.madeBy(time)),
    [1, 2, 2, Number.POSITIVE_INFINITY],
  );
});

test('P7: a leaf that is shown alone may be refused once who signed it is retired, and not sooner, and for no other reason', () => {
  const refused = call({
    way: 'decide',
    issuer: 'issuer 1',
    status: 403,
    reason: 'handshake_refused',
    begin: 50,
    end: 60,
  });
  const retired = new Map([['issuer 1', 55]]);
  assert.deepEqual(found({ calls: [refused], retired }), []);
  assert.deepEqual(found({ calls: [{ ...refused, end: 54 }], retired }), [refusedLate]);
  assert.deepEqual(found({ calls: [{ ...refused, issuer: 'issuer 2' }], retired }), [refusedLate]);
  assert.deepEqual(found({ calls: [{ ...refused, reason: 'not_admitted' }], retired }), [refusedLate]);
  const { issuer: _, ...overHttps } = refused;
  assert.deepEqual(found({ calls: [overHttps], retired }), [refusedLate]);
});
