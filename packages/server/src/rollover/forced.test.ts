/** Who is given up by a step that is forced, and who only by name. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { SubjectId } from '@portcullis/contract';
import { openRolledFleet } from '../../test/rolled-fleet.ts';

const hour = 3_600_000;
const subjectsOf = (those: { named: { subject: string }[] } | undefined) =>
  those?.named.map(({ subject }) => subject).toSorted();
const without = (...subjects: string[]) => ({ without: subjects as SubjectId[] });
const force = { force: true } as const;
const refused = (step: Promise<unknown>, message: RegExp) => assert.rejects(step, { code: 'rollover_loses', message });

test('with force no gate or desk is given up unnamed; who was lost is told until it is back or revoked', async (context) => {
  const { rollovers, issuance, enrolled, clock, by, store } = await openRolledFleet(context);
  for (const [id, kind] of [
    ['truck-1', 'device'],
    ['truck-2', 'device'],
    ['gate-1', 'gate'],
    ['desk-1', 'desk'],
    ['gate-2', 'gate'],
  ] as const) {
    await enrolled(id, kind);
  }
  const old = issuance.issuers().map(({ name }) => name);
  const revoked = (subject: string) =>
    store.change((db) =>
      db
        .updateTable('certificates')
        .set({ standing: 'revoked' })
        .where('subject', '=', subject)
        .where('issuer', 'in', old)
        .execute(),
    );
  clock.now += hour;
  const { rollover } = await rollovers.start(by, { what: 'root' });
  assert.deepEqual(subjectsOf({ named: rollover.lacking.named.slice(0, 3) }), ['desk-1', 'gate-1', 'gate-2']);
  const three = /^3 do not hold version 2 of the bundle: (?=.*desk-1)(?=.*gate-1)(?=.*gate-2).*--without NAME alone/;
  await refused(rollovers.advance(by, force), three);
  await refused(rollovers.advance(by, { ...force, ...without('gate-1', 'gate-2') }), /^1 do not hold .*: desk-1;/);
  await refused(rollovers.advance(by, without('gate-1', 'gate-2', 'desk-1')), /^2 do not hold .*truck-2/);
  rollovers.heard('desk-1', 2);
  await rollovers.settled();
  await rollovers.advance(by, { ...force, ...without('gate-1', 'gate-2') });
  await rollovers.advance(by, {});
  await enrolled('operator-1', 'operator');

  const below = /^3 have certificates of what would go: (?=.*gate-1)(?=.*desk-1)(?=.*gate-2).*"join --replace"/;
  await refused(rollovers.retire(by, force), below);
  await enrolled('desk-1', 'desk');
  await revoked('desk-1');
  await revoked('gate-2');
  rollovers.heard('desk-1', 3);
  await rollovers.settled();
  await refused(rollovers.retire(by, force), /^1 have certificates of what would go: gate-1;/);
  await rollovers.retire(by, { ...force, ...without('gate-1') });
  clock.now += 25 * hour;
  await rollovers.look();

  const lost = async () => {
    const [{ phase, below: those } = assert.fail()] = (await rollovers.list()).items;
    return [phase, those.count, ...(subjectsOf(those) ?? [])];
  };
  assert.deepEqual(await lost(), ['retired', 3, 'gate-1', 'truck-1', 'truck-2']);
  assert.deepEqual(subjectsOf(await rollovers.lost()), ['gate-1']);
  await enrolled('gate-1', 'gate');
  await revoked('truck-2');
  assert.deepEqual(await lost(), ['retired', 1, 'truck-1']);
  assert.deepEqual(subjectsOf(await rollovers.lost()), []);
});
