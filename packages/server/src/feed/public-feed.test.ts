/** What crosses to a desk: what is public and nothing else, each time that it changes, and to whom a code leads. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { type TestContext, test } from 'node:test';
import { PublicFeedMessage as Message, type PublicFeedMessage, type PublicSubject } from '@portcullis/contract';
import { eventually } from '../../test/house.ts';
import { openRecords, putCertificate, putSubject, type Records } from '../../test/records.ts';
import { arrive, ship, shippingOver } from '../../test/shipping.ts';
import { PublicFeed } from './public-feed.ts';
import type { PublicJourneys } from './public-subjects.ts';

const by = { actor: 'operator-1' };
const at = '2030-01-01T08:00:00.000Z';

class Listening {
  readonly lines: string[] = [];
  readonly known = new Map<string, PublicSubject>();
  beats = 0;

  hear(message: PublicFeedMessage): void {
    this.lines.push(JSON.stringify(message));
    const told = Message.parse(message);
    if (told.type === 'beat') this.beats++;
    if (told.type !== 'subjects') return;
    for (const subject of told.subjects) this.known.set(subject.subject, subject);
    for (const id of told.gone) this.known.delete(id);
  }
}

async function listen(context: TestContext, records: Records, journeys?: PublicJourneys): Promise<Listening> {
  const listening = new Listening();
  const over = new AbortController();
  const write = async (message: PublicFeedMessage) => listening.hear(message);
  const feed = new PublicFeed({ ...records, journeys, now: records.system.now, write, signal: over.signal }).run();
  context.after(async () => {
    over.abort();
    await feed;
  });
  await eventually(() => listening.beats > 0, 'all was told');
  return listening;
}

const set = ({ attributes }: Records, subject: string, values: object, visibility: 'public' | 'private') =>
  attributes.change(by, { subjects: [subject], set: values, visibility } as never);

async function putShipment({ store }: Records, id: string, tracker: string, course = 'moving'): Promise<void> {
  await store.change(async (db) => {
    const journey = { name: 'lane', version: 1, body: '{}', since: 0 };
    await db
      .insertInto('journeys')
      .values(journey)
      .onConflict((one) => one.doNothing())
      .execute();
    const row = {
      id,
      journey: 'lane',
      version: 1,
      tracker,
      createdAt: 0,
      stopped: 0,
      course,
      step: null,
      stepAt: null,
    };
    await db
      .insertInto('shipments')
      .values({ ...row, place: 0, pending: 0, dueAt: null, ringAt: null })
      .execute();
  });
}

test('P15: of a subject with private and public values only the public ones cross, from the first page on and with each change', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'box-1', 'shipment', { status: 'hush' });
  await putSubject(records, 'box-2', 'shipment', { status: 'hush' });
  await set(records, 'box-1', { destination: 'berlin' }, 'public');
  const code = await records.codes.rotate(by, 'box-2');
  const listening = await listen(context, records);
  await set(records, 'box-1', { secret: 'hush-too' }, 'private');
  await set(records, 'box-2', { secret: 'hush-too' }, 'private');
  await set(records, 'box-1', { destination: 'paris' }, 'public');
  await eventually(
    () => listening.known.get('box-1')?.attributes['destination' as never]?.['value' as never] === 'paris',
    'told',
  );
  const told = listening.known.get('box-1');
  assert.deepEqual(Object.keys(told?.attributes ?? {}), ['destination']);
  const { revision = 0 } = (told?.attributes['destination' as never] ?? {}) as { revision?: number };
  assert.ok(revision > 0);
  assert.deepEqual(listening.known.get('box-2')?.attributes, {});
  for (const secret of ['hush', 'secret', 'status', code])
    assert.ok(!listening.lines.some((line) => line.includes(secret)), secret);
});

test('a code crosses as its hash, another one at once; without one neither certificate nor journey does', async (context) => {
  const records = await openRecords(context);
  for (const id of ['box-1', 'box-2']) {
    await putSubject(records, id, 'shipment');
    await putCertificate(records, id, id);
  }
  await set(records, 'box-2', { destination: 'rome' }, 'public');
  const journey = { journey: 'lane', state: 'moving', createdAt: at, steps: [], corrections: [] } as never;
  const publicOf = async (_db: unknown, ids: readonly string[]) => new Map(ids.map((id) => [id, journey]));
  const listening = await listen(context, records, { publicOf, publicName: 'name', namedIn: async () => [] });
  const hash = (code: string) => createHash('sha256').update(code).digest('hex');
  for (let turn = 0; turn < 2; turn++) {
    const code = await records.codes.rotate(by, 'box-1');
    await eventually(() => listening.known.get('box-1')?.code === hash(code), 'the code that counts');
  }
  const { certificate, journey: told } = listening.known.get('box-1') ?? {};
  assert.deepEqual([certificate?.standing, told?.state], ['valid', 'moving']);
  const other = listening.known.get('box-2') as object;
  assert.deepEqual(Object.keys(other).sort(), ['attributes', 'kind', 'subject', 'validUntil']);
  await records.revocation.change(by, { action: 'revoke', subject: 'box-1' } as never);
  await eventually(() => listening.known.get('box-1')?.certificate?.standing === 'revoked', 'it is cut');
});

test('a shipment without a certificate of its own shows its tracker’s while it is under way, and each change of that', async (context) => {
  const records = await openRecords(context);
  await putSubject(records, 'tracker-1');
  await putCertificate(records, 'tracker-1', 'of the tracker');
  for (const id of ['box-1', 'box-0']) await putSubject(records, id, 'shipment');
  await putShipment(records, 'box-1', 'tracker-1');
  await putShipment(records, 'box-0', 'tracker-1', 'delivered');
  for (const id of ['box-1', 'box-0']) await records.codes.rotate(by, id);
  const listening = await listen(context, records);
  assert.equal(listening.known.get('box-1')?.certificate?.standing, 'valid');
  assert.equal(listening.known.get('box-0')?.certificate, undefined);
  await records.revocation.change(by, { action: 'suspend', subject: 'tracker-1' } as never);
  await eventually(
    () => listening.known.get('box-1')?.certificate?.standing === 'suspended',
    'it is cut with its tracker',
  );
  assert.equal(listening.known.get('box-0')?.certificate, undefined);
  assert.equal(listening.known.has('tracker-1'), false);
});

test('P15: a checkpoint’s name that is no longer public is gone at once from each of the journeys that said it', async (context) => {
  const records = await openRecords(context);
  const shipping = await shippingOver(context, records);
  const boxes = Array.from({ length: 102 }, (_, number) => `box-${number}`);
  for (const box of boxes) await ship(shipping, box);
  await Promise.all(boxes.map((box) => arrive(shipping, 'factory', box)));
  await set(records, 'factory', { name: 'Acme of Basel' }, 'public');
  const listening = await listen(context, records, shipping.journeys);
  const named = () =>
    boxes.filter((box) => listening.known.get(box)?.journey?.steps[0]?.by?.publicName === 'Acme of Basel').length;
  assert.equal(named(), boxes.length);
  const steps: [() => Promise<unknown>, number][] = [
    [() => set(records, 'factory', { name: 'Acme of Basel' }, 'private'), 0],
    [() => set(records, 'factory', { name: 'Acme of Basel' }, 'public'), boxes.length],
    [() => records.attributes.change(by, { subjects: ['factory'], unset: ['name'] } as never), 0],
  ];
  for (const [change, count] of steps) {
    await change();
    await eventually(() => named() === count, `${count} say it`);
  }
});
