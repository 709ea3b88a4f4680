import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FedReplica, fingerprintNamed, groundOn } from '../../../test/fed-replica.ts';
import { Connections, type Transport } from '../connections/connections.ts';
import { isAdmissible } from './admit.ts';
import { tryOut } from './trial.ts';

function gate() {
  const fed = new FedReplica();
  const ground = groundOn(fed, { telemetry: { expect: { status: 'active' } } });
  const { replica, validityTime } = ground;
  const connections = new Connections({
    replica,
    validityTime,
    isAdmissible: (bearer) => isAdmissible(bearer, ground),
  });
  const ended: string[] = [];
  for (const subject of ['truck-1', 'truck-2']) {
    const attributes = { status: { value: 'active' }, site: { value: 'berlin' } };
    fed.change([{ subject, attributes, certificates: [{ fingerprint: fingerprintNamed(subject) }] }]);
    const end = () => void ended.push(subject);
    const transport: Transport = { remoteAddress: '::1', idleSince: 0, stalledSince: undefined, end, drop: end };
    connections.register(Buffer.from(fingerprintNamed(subject), 'hex'), transport);
  }
  return { fed, ground, connections, ended };
}

const both = ['truck-1', 'truck-2', 'ghost'];

test('it counts the connections that a change would close, and neither closes one nor keeps anything of it', () => {
  const { fed, ground, connections, ended } = gate();
  const status = (subject: string) => fed.replica.valueOf(fed.replica.findSubject(subject), 'status');
  assert.equal(tryOut(both, { values: { status: 'off' } } as never, { ground, connections }), 2);
  assert.equal(tryOut(both, { values: { status: null } } as never, { ground, connections }), 2);
  assert.equal(tryOut(both, { values: { site: 'kiel' } } as never, { ground, connections }), 0);
  assert.equal(tryOut(['truck-1'], { values: { status: 'off' } } as never, { ground, connections }), 1);
  assert.equal(tryOut(both, { values: { status: 'active' } } as never, { ground, connections }), 0, 'after others');
  assert.equal(tryOut(both, { standing: 'suspended' }, { ground, connections }), 2);
  assert.deepEqual([status('truck-1'), status('truck-2'), ended], ['active', 'active', []]);
  const revision = fed.replica.subjectRevision(fed.replica.findSubject('truck-1'));
  assert.ok(revision > 0, 'nothing of the trial is left');
  connections.changed(fed.change([{ subject: 'truck-1', attributes: { status: { value: 'off' } } }]));
  assert.equal(tryOut(both, { values: { status: 'off' } } as never, { ground, connections }), 1, 'one is cut already');
});
