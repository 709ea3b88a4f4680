import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FedReplica, fingerprintNamed } from '../../../test/fed-replica.ts';
import { Bearer } from './bearer.ts';

const certificate = (name: string) => ({ subject: name, certificates: [{ fingerprint: fingerprintNamed(name) }] });
const bearerOf = (name: string) => new Bearer(Buffer.from(fingerprintNamed(name), 'hex'));

/** What else there is comes first, so that rows are others than before. */
function snapshotAgain({ replica, clock }: FedReplica, names: string[]): void {
  const head = { revision: replica.revision, hash: replica.hash };
  const at = new Date(clock.now - 1_000).toISOString();
  const origin = { revision: 1, changedBy: 'operator-1', changedAt: at };
  const validity = { notBefore: at, notAfter: new Date(clock.now + 1_000).toISOString() };
  const subjects = names.map((subject) => ({
    ...{ subject, kind: 'device', revision: 1, attributes: {} },
    certificates: [{ fingerprint: fingerprintNamed(subject), standing: 'valid', ...validity, ...origin }],
  }));
  replica.receive({ type: 'snapshot', fleet: replica.fleet, ...head } as never);
  replica.receive({ type: 'subjects', subjects } as never);
  replica.receive({ type: 'complete', ...head });
}

test('a bearer has no name before it is looked up, and none while its certificate is unknown', () => {
  const fed = new FedReplica();
  const bearer = bearerOf('truck-1');
  assert.equal(bearer.subjectId, '');
  assert.deepEqual([bearer.rowIn(fed.replica), bearer.subjectId], [-1, '']);
  fed.change([certificate('truck-1')]);
  assert.notEqual(bearer.rowIn(fed.replica), -1, 'it is found as soon as it is there');
  assert.equal(bearer.subjectId, 'truck-1');
});

test('whose a bearer is, is told by the row of the moment, also when nobody asked before a new snapshot', () => {
  const fed = new FedReplica();
  fed.change([certificate('truck-1'), certificate('truck-2')]);
  const [asked, unasked, gone] = [bearerOf('truck-2'), bearerOf('truck-2'), bearerOf('truck-1')];
  for (const bearer of [asked, unasked, gone]) bearer.rowIn(fed.replica);
  assert.equal(asked.subjectId, 'truck-2');
  snapshotAgain(fed, ['pump-1', 'pump-2', 'truck-2']);
  assert.deepEqual([asked.subjectId, unasked.subjectId, gone.subjectId], ['truck-2', 'truck-2', '']);
  assert.equal(unasked.subject, fed.replica.findSubject('truck-2'));
});
