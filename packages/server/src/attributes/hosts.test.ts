/** The names of a gate's server certificate: never another server's, and changed aloud. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openRecords } from '../../test/records.ts';
import type { NewSubject } from './ensure-subject.ts';

async function open(context: TestContext) {
  const { journal, attributes } = await openRecords(context);
  const ensure = async (given: Partial<NewSubject>) => {
    const subject = { subject: 'gate-2', kind: 'gate' as const, attributes: {}, ...given };
    const change = journal.change({ actor: 'operator-1', action: 'tokens.create' }, (change) =>
      attributes.ensure(change, subject),
    );
    return (await change).result;
  };
  return { ensure, hosts: () => attributes.hostsOf('gate-2') };
}

test('a gate that was given no names has those of its own machine, and not the names of the authority', async (context) => {
  const { ensure, hosts } = await open(context);
  const loopback = ['localhost', '127.0.0.1', '::1'];
  assert.deepEqual(await ensure({}), { made: 'created', hosts: loopback });
  assert.deepEqual(await hosts(), loopback);
});

test('the gate that was made beside the authority has the names that the fleet has', async (context) => {
  const { ensure, hosts } = await open(context);
  assert.deepEqual(await ensure({ beside: true }), { made: 'created' });
  assert.equal(await hosts(), undefined);
});

test("the names of a gate's next token are applied and told; the same ones and none change nothing", async (context) => {
  const { ensure, hosts } = await open(context);
  await ensure({ hosts: ['gate.example', '192.0.2.1'] });
  assert.deepEqual(await ensure({ hosts: ['192.0.2.1', 'Gate.Example'] }), { made: 'existing' });
  assert.deepEqual(await ensure({}), { made: 'existing' });
  assert.deepEqual(await hosts(), ['gate.example', '192.0.2.1']);
  const next = ['depot.example'];
  assert.deepEqual(await ensure({ hosts: next }), { made: 'existing', hosts: next });
  assert.deepEqual(await hosts(), next);
});

test('who is no gate has no names', async (context) => {
  const { ensure } = await open(context);
  const refused = { code: 'request_malformed', message: /only a gate or a desk has hosts/ };
  await assert.rejects(ensure({ subject: 'truck-1', kind: 'device', hosts: ['gate.example'] }), refused);
});
