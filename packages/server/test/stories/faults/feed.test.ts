/** A feed that is torn, repeated, out of order or incomplete on its way: the gate is told so by its numbers, and reads a snapshot. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { readCredential } from '@portcullis/device';
import { eventually } from '../../house.ts';
import { forge } from '../man-in-the-middle/interception.ts';
import { requireInForce, Scene } from './scene.ts';
import { TamperedFeed, type Tampering } from './tampered-feed.ts';

let feed: TamperedFeed;
let scene: Scene;
before(async () => {
  scene = await Scene.open(async (house) => {
    const infrastructure = { issuer: 'issuer-infrastructure', kind: 'authority', subject: 'authority' } as const;
    const parts = {
      forged: await forge(house.fleet, infrastructure),
      credential: () => readCredential(join(house.fleet, 'gate/credential.json')),
      authority: `https://localhost:${house.basePort}`,
    };
    feed = await TamperedFeed.open(parts, 0);
    const through = `authority: https://localhost:${feed.port}`;
    house.configure('gate.yaml', (text) => text.replace(/^authority: .*$/m, through));
  });
});
after(async () => {
  await scene?.close();
  await feed?.close();
});
afterEach(() => {
  feed.tampering = untouched;
});

const untouched: Tampering = (line) => [line];

/** Does it to the next change alone. */
function once(tampering: Tampering): Tampering {
  return (line) => {
    feed.tampering = untouched;
    return tampering(line);
  };
}

/** The first change comes after the second. */
function swapped(): Tampering {
  let held: string | undefined;
  return (line) => {
    if (held === undefined) {
      held = line;
      return [];
    }
    feed.tampering = untouched;
    return [line, held];
  };
}

interface Story {
  what: string;
  tampering: () => Tampering;
  /** What the gate does then, besides going on. */
  gate: 'reads a snapshot' | 'asks again' | 'goes on';
}

const stories: Story[] = [
  {
    what: 'torn in the middle of a line',
    tampering: () => once((line) => ({ tornAfter: line.slice(0, line.length / 2) })),
    gate: 'asks again',
  },
  { what: 'with each line twice', tampering: () => (line) => [line, line], gate: 'goes on' },
  { what: 'with two lines in the wrong order', tampering: swapped, gate: 'reads a snapshot' },
  {
    what: 'with a change that follows another history',
    tampering: () =>
      once((line) => [line.replace(/"previousHash":"[0-9a-f]{64}"/, `"previousHash":"${'0'.repeat(64)}"`)]),
    gate: 'reads a snapshot',
  },
  { what: 'with a line left out', tampering: () => once(() => []), gate: 'reads a snapshot' },
];

for (const { what, tampering, gate } of stories) {
  test(`P6 P7: with the feed ${what} the gate applies nothing out of order, ${gate}, and every receipt is true`, async () => {
    const { operator, truck, other } = scene;
    await scene.settled();
    const [asked, snapshots] = [feed.asked, feed.snapshots];
    feed.tampering = tampering();
    const receipts = await Promise.all([
      operator.set('truck-17', { status: 'off' }).then(async (receipt) => {
        assert.notEqual(await scene.statusOf(truck), 202, 'what the receipt says is so');
        return receipt;
      }),
      operator.set('truck-18', { site: 'port' }),
    ]);
    for (const receipt of receipts) {
      assert.equal(receipt.confirmed, true);
      scene.requireBounded(receipt);
    }
    await eventually(async () => (await scene.statusOf(other)) === 202, 'it goes on by itself');
    await scene.requireCut();
    assert.equal(feed.asked > asked, gate !== 'goes on', 'the feed was asked for again');
    assert.equal(feed.snapshots > snapshots, gate === 'reads a snapshot');
    assert.deepEqual(
      feed.applied,
      feed.applied.toSorted((a, b) => a - b),
      'it never went back',
    );
    requireInForce(await operator.set('truck-17', { status: 'active' }), 'gate-1');
  });
}
