/** Rules on readings go to the gates that take them, and to no other. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import {
  acceptedInFeed,
  FeedMessage,
  FleetName,
  feedAccepted,
  InstanceId,
  type StreamName,
  type ToldRules,
} from '@portcullis/contract';
import { eventually } from '../../test/house.ts';
import { openRecords, putSubject } from '../../test/records.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { openFeed } from './open.ts';

const cold = { outside: 'reading.temperature > 8.0', inside: null };
const rulesAt = (revision: number): ToldRules => ({
  revision,
  rules: [{ rule: 'cold-chain', revision, streams: ['cold' as StreamName], ...cold }],
});

async function open(context: TestContext, given: { rules: ToldRules | undefined }) {
  const ends: (() => Promise<void>)[] = [];
  // Before the store is closed.
  context.after(() => Promise.all(ends.map((end) => end())));
  const records = await openRecords(context);
  await putSubject(records, 'truck-1');
  const listeners = new Set<() => void>();
  const onChange = (listener: () => void) => {
    listeners.add(listener);
    return () => void listeners.delete(listener);
  };
  const log = createLog({ role: 'authority', level: 'silent' });
  const parts = {
    ...records,
    log,
    fleet: FleetName.parse('fleet-1'),
    leaseMs: 5_000,
    patienceMs: 1_000,
    refusalsPerMinute: 30,
    missingMs: 900_000,
  };
  const rules = given.rules && { current: () => given.rules as ToldRules, onChange };
  const feed = await openFeed({ ...parts, rules });
  const follow = (withRules: boolean, after?: { after: number; hash: string | undefined }) => {
    const messages: FeedMessage[] = [];
    const stop = new AbortController();
    const write = async (piece: string | Uint8Array) => {
      for (const line of Buffer.from(piece).toString().split('\n').filter(Boolean))
        messages.push(FeedMessage.parse(JSON.parse(line)));
    };
    const query = { instance: InstanceId.parse('a'.repeat(32)), attributes: '', clock: records.clock.now, ...after };
    const who = { gate: 'gate-1', inParts: true, withRules };
    const running = feed.follow(query as never, who, write, stop.signal).catch(() => undefined);
    ends.push(() => {
      stop.abort();
      return running;
    });
    const types = () => messages.map(({ type }) => type).filter((type) => type !== 'beat');
    const beats = () => messages.filter(({ type }) => type === 'beat').length;
    return { types, beats, rules: () => messages.filter((one) => one.type === 'rules') };
  };
  return { records, given, follow, changed: () => listeners.forEach((listener) => void listener()), listeners };
}

test('a gate that takes rules is told them after its snapshot, and all of them again when they change', async (context) => {
  const { given, follow, changed } = await open(context, { rules: rulesAt(1) });
  const gate = follow(true);
  await eventually(() => gate.rules().length > 0 && gate.types().includes('complete'), 'the rules are told');
  assert.equal(gate.types().at(-1), 'rules', 'after the snapshot, whatever was told before it');
  assert.deepEqual(gate.rules().at(-1), { type: 'rules', ...rulesAt(1) });
  changed();
  given.rules = { revision: 2, rules: [] };
  changed();
  await eventually(() => gate.rules().at(-1)?.revision === 2, 'the change is told');
  assert.deepEqual(gate.rules().at(-1), { type: 'rules', revision: 2, rules: [] });
  assert.equal(gate.rules().filter(({ revision }) => revision === 2).length, 1, 'once');
});

test('a gate that comes back is told the rules as they are before anything else', async (context) => {
  const { records, follow } = await open(context, { rules: rulesAt(1) });
  const { revision: after, revisionHash: hash } = records.journal.head();
  const gate = follow(true, { after, hash });
  await eventually(() => gate.rules().length > 0, 'the rules are told');
  assert.deepEqual(gate.types(), ['rules']);
});

test('a gate of an earlier version is never told a rule, nor one of an authority that has none', async (context) => {
  const { follow, changed } = await open(context, { rules: rulesAt(1) });
  const earlier = follow(false);
  const { follow: followNone } = await open(context, { rules: undefined });
  const ofNone = followNone(true);
  changed();
  for (const gate of [earlier, ofNone]) {
    await eventually(() => gate.beats() > 0, 'all that was to be told is told');
    assert.deepEqual(gate.rules(), []);
  }
});

test('what a gate takes is read from Accept, as gates of each version say it', () => {
  const taken = (accept?: string) => acceptedInFeed(accept);
  const all = { inParts: true, withRules: true, packed: true };
  assert.deepEqual(taken(feedAccepted()), { ...all, soFar: undefined });
  const soFar = { id: 'a'.repeat(32), pieces: 7 };
  assert.deepEqual(taken(feedAccepted(soFar)), { ...all, soFar });
  const nothing = { inParts: false, withRules: false, packed: false, soFar: undefined };
  assert.deepEqual(taken('application/x-ndjson; parts=1'), { ...nothing, inParts: true });
  assert.deepEqual(taken('Application/X-NDJSON;parts=1 ;rules=1'), { ...nothing, inParts: true, withRules: true });
  for (const accept of ['application/x-ndjson', '*/*', undefined, 'text/plain; parts=1; rules=1'])
    assert.deepEqual(taken(accept), nothing, accept);
  const wrong = ['a'.repeat(32), `${'a'.repeat(31)}.1`, `${'a'.repeat(32)}.-1`, `${'a'.repeat(32)}.1234567890`];
  for (const resume of wrong)
    assert.equal(taken(`application/x-ndjson; packed=1; resume=${resume}`).soFar, undefined, resume);
});
