import assert from 'node:assert/strict';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRecords, subjectId } from '../../test/records.ts';
import { isAlone, openAuthorities, requireApproved } from './authorities.ts';

const by = { actor: 'operator-1' };
const [first, second] = ['a'.repeat(64), 'b'.repeat(64)] as [string, string];
const machine = (fingerprint: string) => ({ name: subjectId('standby'), fingerprint, hosts: ['b.example.com'] });

test('a machine may lead from its approval to its revocation, and another that gets its name later', async (context) => {
  const records = await openRecords(context);
  const { store, directory } = records;
  const authorities = openAuthorities({ ...records, home: directory });
  const mayLead = (fingerprint: string) => {
    writeFileSync(join(directory, 'identity.json'), JSON.stringify({ name: 'standby', fingerprint }));
    return requireApproved(store, directory);
  };
  const refused = { code: 'subject_retired' };
  const entries = () => records.journal.head().position;
  // The first machine of a fleet has nothing that says who it is.
  await requireApproved(store, directory);
  await assert.rejects(mayLead(first), refused);
  await authorities.approve(by, machine(first));
  await mayLead(first);
  const before = entries();
  await authorities.approve(by, machine(first));
  assert.equal(entries(), before);
  await assert.rejects(authorities.approve(by, machine(second)), {
    code: 'request_malformed',
    message: /another machine/,
  });
  await assert.rejects(mayLead(second), refused);
  // What the machine that leads is told, it is told while it still leads.
  writeFileSync(join(directory, 'identity.json'), JSON.stringify({ name: 'standby', fingerprint: second }));
  const { revokedAt } = await authorities.revoke(by, 'standby');
  assert.notEqual(revokedAt, null);
  assert.equal((await authorities.revoke(by, 'standby')).revokedAt, revokedAt);
  await assert.rejects(mayLead(first), refused);
  await authorities.approve(by, machine(second));
  await mayLead(second);
  await assert.rejects(mayLead(first), refused);
  assert.equal(entries(), before + 2);
  assert.deepEqual(
    (await authorities.list()).map(({ name, fingerprint }) => [name, fingerprint]),
    [['standby', second]],
  );
  await assert.rejects(authorities.revoke(by, 'nobody'), { code: 'subject_unknown' });
  writeFileSync(join(directory, 'identity.json'), '{}');
  await assert.rejects(requireApproved(store, directory), { code: 'config_invalid' });
});

test('an authority is alone until another machine is approved or its address is listed, and again once that is revoked', async (context) => {
  const records = await openRecords(context);
  const authorities = openAuthorities({ ...records, home: records.directory });
  const [one, other] = ['https://a.example.org:8440', 'https://b.example.org:8440'];
  const alone = (...authorityUrl: string[]) => isAlone(authorities, { authorityUrl });
  assert.equal(await isAlone(authorities, { authorityUrl: one }), true);
  assert.deepEqual([await alone(one), await alone(one, other)], [true, false]);
  await authorities.approve(by, machine(first));
  assert.equal(await alone(one), false);
  await authorities.revoke(by, 'standby');
  assert.equal(await alone(one), true);
});

test('a machine that is revoked while it leads, leads no more once it has said so', async (context) => {
  const records = await openRecords(context);
  const { store, directory } = records;
  const authorities = openAuthorities({ ...records, home: directory });
  for (const fingerprint of [first, second])
    await authorities.approve(by, { ...machine(fingerprint), name: subjectId(`of-${fingerprint[0]}`) });
  writeFileSync(join(directory, 'identity.json'), JSON.stringify({ name: 'of-a', fingerprint: first }));
  await authorities.revoke(by, 'of-b');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(store.leads(), true);
  await authorities.revoke(by, 'of-a');
  assert.equal(store.leads(), true);
  await assert.rejects(store.lost, { code: 'not_leader' });
  assert.equal(store.leads(), false);
});

test('one whose revocation is on record already leads no more when it is told again; nothing is done by one that does not know who it is', async (context) => {
  const records = await openRecords(context);
  const { store, directory, journal } = records;
  const authorities = openAuthorities({ ...records, home: directory });
  await authorities.approve(by, machine(first));
  const { position } = journal.head();
  writeFileSync(join(directory, 'identity.json'), '{}');
  await assert.rejects(authorities.revoke(by, 'standby'), { code: 'config_invalid' });
  assert.equal(journal.head().position, position);
  rmSync(join(directory, 'identity.json'));
  await authorities.revoke(by, 'standby');
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(store.leads(), true);
  writeFileSync(join(directory, 'identity.json'), JSON.stringify({ name: 'standby', fingerprint: first }));
  await authorities.revoke(by, 'standby');
  await assert.rejects(store.lost, { code: 'not_leader' });
});

test('who led without an approval, as the first machine does, is named as long as it is led, beside those that are approved', async (context) => {
  const records = await openRecords(context);
  const { store, directory } = records;
  const authorities = openAuthorities({ ...records, home: directory });
  assert.deepEqual(await authorities.names(), []);
  await authorities.ledAs(['old.example.org']);
  await authorities.ledAs(['a.example.org', 'localhost']);
  await authorities.approve(by, machine(first));
  const named = ['a.example.org', 'localhost', 'b.example.com'];
  assert.deepEqual(await authorities.names(), named);
  writeFileSync(join(directory, 'identity.json'), JSON.stringify({ name: 'standby', fingerprint: first }));
  await authorities.ledAs(['c.example.org']);
  assert.deepEqual(await authorities.names(), named, 'one that was approved is named by its approval');
  await authorities.revoke(by, 'standby');
  assert.deepEqual(await authorities.names(), ['a.example.org', 'localhost']);
  await store.change((db) => db.updateTable('settings').set({ value: '{' }).where('name', '=', 'ledAs').execute());
  assert.deepEqual(await authorities.names(), []);
});
