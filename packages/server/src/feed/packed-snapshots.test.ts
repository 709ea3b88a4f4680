import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { zstdCompressSync } from 'node:zlib';
import { FeedMessage, packedBytesMax, type SnapshotSoFar } from '@portcullis/contract';
import { openRecords, putCertificate, putSubject, type Records } from '../../test/records.ts';
import { Replica } from '../replica/replica.ts';
import { Snapshots } from './snapshots.ts';

/** More than two pieces. */
const count = 1_100;
const idOf = (number: number) => `truck-${String(number).padStart(5, '0')}`;
const names = new Set(['status']);

async function fleet(context: TestContext) {
  const records = await openRecords(context);
  await records.journal.change({ actor: 'operator-1', action: 'test' }, async ({ db, revision, at }) => {
    const origin = { revision, changedAt: at, changedBy: 'operator-1', reason: null };
    for (let from = 0; from < count; from += 100) {
      const ids = Array.from({ length: 100 }, (_, index) => idOf(from + index));
      const subject = { kind: 'device', createdAt: at, revision, hosts: null, url: null };
      await db
        .insertInto('subjects')
        .values(ids.map((id) => ({ id, ...subject })))
        .execute();
      const value = { name: 'status', value: '"active"', visibility: 'public', ...origin };
      await db
        .insertInto('attributes')
        .values(ids.map((id) => ({ subject: id, ...value })))
        .execute();
    }
  });
  await putSubject(records, 'truck-x');
  await putCertificate(records, 'truck-x', 'revoked', { standing: 'revoked' });
  return { records, snapshots: opened(records) };
}

function opened(records: Records): Snapshots {
  const { store, attributes, system, directory } = records;
  return new Snapshots({ store, attributes, system, fleet: 'fleet-1', directory: join(directory, 'snapshots') });
}

const quiet = async () => {};

/** Sends to a replica until `breakAfter` lines have come, and then no further. */
async function send(
  snapshots: Snapshots,
  replica: Replica,
  {
    packed = true,
    soFar,
    breakAfter = Number.POSITIVE_INFINITY,
  }: { packed?: boolean; soFar?: SnapshotSoFar | undefined; breakAfter?: number },
): Promise<string[]> {
  const types: string[] = [];
  let rest = '';
  const write = async (piece: string | Uint8Array) => {
    const lines = (rest + Buffer.from(piece).toString()).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      const message = FeedMessage.parse(JSON.parse(line));
      assert.notEqual(replica.receive(message).outcome, 'resync', message.type);
      types.push(message.type);
      if (types.length === breakAfter) throw new Error('the connection broke');
    }
  };
  await snapshots.send({ names, atLeast: 0, packed, soFar }, write, quiet).catch((error: Error) => {
    assert.equal(error.message, 'the connection broke');
  });
  return types;
}

const factsOf = (replica: Replica) =>
  Array.from({ length: replica.subjects }, (_, row) => ({
    subject: replica.subjectId(row),
    kind: replica.kindOf(row),
    revision: replica.subjectRevision(row),
    status: replica.attribute(row, 'status'),
    certificates: replica.certificatesOf(row).map((one) => [replica.fingerprintOf(one), replica.certificate(one)]),
  }));

test('a packed snapshot tells the same as one in lines of text, which a gate of an earlier version is sent', async (context) => {
  const { snapshots } = await fleet(context);
  const [packed, text] = [new Replica(), new Replica()];
  assert.deepEqual(new Set(await send(snapshots, packed, {})), new Set(['snapshot', 'packed', 'complete']));
  assert.deepEqual(
    new Set(await send(snapshots, text, { packed: false })),
    new Set(['snapshot', 'subjects', 'complete']),
  );
  assert.ok(packed.complete && packed.subjects >= count && packed.certificates === 1);
  assert.deepEqual(factsOf(packed), factsOf(text));
});

test('a gate that was cut off in the middle of a snapshot goes on where it was', async (context) => {
  const { records, snapshots } = await fleet(context);
  const [replica, whole] = [new Replica(), new Replica()];
  await send(snapshots, whole, {});
  await send(snapshots, replica, { breakAfter: 3 });
  assert.equal(replica.soFar()?.pieces, 2);
  // Longer than it is shared with who asks anew.
  records.clock.now += 30_000;
  const went = await send(snapshots, replica, { soFar: replica.soFar() });
  assert.deepEqual([went[0], went.includes('snapshot'), replica.complete], ['resumed', false, true]);
  assert.deepEqual(factsOf(replica), factsOf(whole));
});

test('one that is not there any more, has not so many pieces, or is of other attributes, is not gone on with', async (context) => {
  const { records, snapshots } = await fleet(context);
  const replica = new Replica();
  await send(snapshots, replica, { breakAfter: 3 });
  const soFar = replica.soFar();
  assert.ok(soFar);
  const begins = async (wanted: SnapshotSoFar) => (await send(snapshots, new Replica(), { soFar: wanted }))[0];
  assert.equal(await begins({ id: '0'.repeat(32), pieces: 1 }), 'snapshot');
  assert.equal(await begins({ ...soFar, pieces: 1_000 }), 'snapshot');
  const first: string[] = [];
  const write = async (piece: string | Uint8Array) => void first.push(Buffer.from(piece).toString());
  await snapshots.send({ names: new Set(['site']), atLeast: 0, packed: true, soFar }, write, quiet);
  assert.match(first.join(''), /^\{"type":"snapshot"/);
  records.clock.now += 120_000;
  await send(snapshots, new Replica(), {});
  assert.equal(await begins(soFar), 'snapshot');
});

test('P13: a piece that is none, or would be longer than one is, is refused by a code', () => {
  const piece = (data: string) => () => {
    const replica = new Replica();
    replica.receive({ type: 'snapshot', fleet: 'fleet-1' as never, revision: 1, hash: '0'.repeat(64) });
    replica.receive({ type: 'packed', number: 1, data });
  };
  const packed = (text: string | Buffer) => zstdCompressSync(text).toString('base64');
  const none = { subject: [], kind: [], revision: [], actors: [], attributes: [] };
  const certificates = { of: [0], fingerprints: 'a'.repeat(64), standing: ['valid'], notBefore: [0], notAfter: [0] };
  const outside = { ...none, certificates: { ...certificates, revision: [1], by: [0], at: [0] } };
  const uneven = { ...none, certificates: { ...certificates, revision: [], by: [0], at: [0] } };
  const lists = { of: [], standing: [], notBefore: [], notAfter: [], revision: [], by: [], at: [] };
  const one = JSON.stringify({ ...none, certificates: { ...lists, fingerprints: '' } });
  assert.doesNotThrow(piece(packed(one)));
  for (const data of [
    '',
    'no zstd',
    packed('no JSON'),
    packed('{}'),
    packed(JSON.stringify(outside)),
    packed(JSON.stringify(uneven)),
    packed(one.padEnd(packedBytesMax + 1)),
  ])
    assert.throws(piece(data), { code: 'answer_malformed' }, data.slice(0, 20));
});
