/** A bulk change on its way to gates: parts while it is prepared, then one line; what is missing by then, right before it. */
import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { AttributesRequest, FeedMessage, FleetName, InstanceId } from '@portcullis/contract';
import { sql } from 'kysely';
import { eventually } from '../../test/house.ts';
import { feedUsual, openRecords, putSubject, type Records, startedAt } from '../../test/records.ts';
import { Replica } from '../replica/replica.ts';
import { createLog } from '../telemetry/telemetry.ts';
import type { Feed } from './feed.ts';
import { openFeed } from './open.ts';
import { Tally } from './tally.ts';

const fleet = FleetName.parse('fleet-1');
const log = createLog({ role: 'authority', level: 'silent' });
const many = Array.from({ length: 1_200 }, (_, index) => `device-${String(index).padStart(4, '0')}`);
const by = { actor: 'operator-1' };

async function open(context: TestContext) {
  const records = await openRecords(context);
  await putSubject(records, 'truck-1');
  const made = { kind: 'device', createdAt: startedAt, revision: 1, hosts: null, url: null };
  await records.store.change((db) =>
    db
      .insertInto('subjects')
      .values(many.map((id) => ({ id, ...made })))
      .execute(),
  );
  const feed = await openFeed({ ...records, ...feedUsual, log, fleet });
  return { records, feed };
}

/** A gate that reads its feed into a replica. */
class Gate {
  readonly instance: string;
  readonly replica = new Replica();
  readonly messages: FeedMessage[] = [];
  readonly #tally = new Tally();
  readonly #stop = new AbortController();
  readonly #feed: Feed;
  readonly #records: Records;
  #reading = Promise.resolve();
  #running: Promise<void> = Promise.resolve();

  constructor(records: Records, feed: Feed, digit: string) {
    [this.#records, this.#feed] = [records, feed];
    this.instance = InstanceId.parse(digit.repeat(32));
  }

  follow({ inParts = true, names = 'status' } = {}): void {
    const query = { instance: this.instance, attributes: names, clock: this.#records.clock.now };
    const write = async (piece: string | Uint8Array) => {
      for (const line of Buffer.from(piece).toString().split('\n').filter(Boolean)) await this.#receive(line, inParts);
    };
    const who = { gate: `gate-${this.instance[0]}`, inParts, withRules: false };
    this.#running = this.#feed.follow(query as never, who, write, this.#stop.signal).catch((error: unknown) => {
      if (!this.#stop.signal.aborted) throw error;
    });
  }

  async #receive(line: string, inParts: boolean): Promise<void> {
    await this.#reading;
    const told = this.#tally.now();
    this.#tally.add(`${line}\n`);
    const message = FeedMessage.parse(JSON.parse(line));
    // One of the first release knows no such member.
    const sent = inParts ? told : undefined;
    if (message.type === 'beat') assert.deepEqual(message.sent, sent, 'a beat says what was sent before it');
    else this.messages.push(message);
    assert.notEqual(this.replica.receive(message).outcome, 'resync', line.slice(0, 100));
  }

  /** Reads nothing until the returned one is called. */
  pause(): () => void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#reading = promise;
    return resolve;
  }

  hold(): Promise<void> {
    const prepared = this.messages.findLast((one) => one.type === 'prepared');
    const { revision: applied, hash } = this.replica;
    const holds = prepared?.draft;
    return this.#feed.report(`gate-${this.instance[0]}`, {
      instance: this.instance,
      applied,
      hash,
      connectionsClosed: 0,
      holds,
    } as never);
  }

  renew() {
    const { revision: applied, hash } = this.replica;
    const counters = {
      connections: 0,
      admitted: 0,
      refused: 0,
      overruns: 0,
      unproven: 0,
      policy: 1,
      policyRefused: false,
    };
    const clock = this.#records.clock.now;
    const told = { applied, hash, connectionsClosed: 0, clock, url: 'https://localhost:1', counters };
    return this.#feed.renew(`gate-${this.instance[0]}`, { instance: this.instance, ...told } as never);
  }

  types(): string[] {
    return this.messages.map(({ type }) => type).filter((type, index, all) => type !== all[index - 1]);
  }

  status(subject: string) {
    return this.replica.valueOf(this.replica.findSubject(subject), 'status');
  }

  stands = (revision: number) =>
    eventually(() => this.replica.complete && this.replica.revision >= revision, 'it stands there');

  stop(): Promise<void> {
    this.#stop.abort();
    return this.#running;
  }
}

const off = (subjects: readonly string[] = many) => AttributesRequest.parse({ subjects, set: { status: 'off' } });

test('parts come before the revision; it is committed when the gate with a lease holds them, and single changes go before', async (context) => {
  const { records, feed } = await open(context);
  await using _feed = feed;
  const gate = new Gate(records, feed, 'a');
  gate.follow();
  await gate.stands(records.journal.head().revision);
  assert.equal((await gate.renew()).granted, true);
  const bulk = records.attributes.change(by, off());
  await eventually(() => gate.types().includes('prepared'), 'all parts are there');
  const single = await records.attributes.change(by, off(['truck-1']));
  await gate.stands(single.revision);
  assert.deepEqual(gate.types(), ['snapshot', 'subjects', 'complete', 'part', 'prepared', 'change']);
  assert.equal(gate.status(many[7] as string), undefined, 'nothing of it is in force');
  await gate.hold();
  const { revision } = await bulk;
  assert.equal(revision, single.revision + 1);
  await gate.stands(revision);
  const last = gate.messages.at(-1);
  assert.deepEqual([last?.type, last?.type === 'change' && last.subjects], ['change', []], 'its line is small');
  for (const subject of many) assert.equal(gate.status(subject), 'off');
  await gate.stop();
});

test('who is slow is not waited for: it is sent what is missing, then the revision', async (context) => {
  const { records, feed } = await open(context);
  await using _feed = feed;
  const gate = new Gate(records, feed, 'a');
  gate.follow();
  await gate.stands(records.journal.head().revision);
  const goOn = gate.pause();
  const { revision } = await records.attributes.change(by, off());
  goOn();
  await gate.stands(revision);
  assert.equal(gate.status(many[1_199] as string), 'off');
  const parts = gate.messages.flatMap((message) => (message.type === 'part' ? message.number : []));
  assert.deepEqual(
    parts,
    [...parts.keys()].map((index) => index + 1),
    'each once',
  );
  await gate.stop();
});

test('a gate that holds no lease is not waited for; one that takes no parts gets a snapshot', async (context) => {
  const { records, feed } = await open(context);
  await using _feed = feed;
  const [near, earlier] = [new Gate(records, feed, 'a'), new Gate(records, feed, 'b')];
  for (const [gate, inParts] of [
    [near, true],
    [earlier, false],
  ] as const) {
    gate.follow({ inParts });
    await gate.stands(records.journal.head().revision);
  }
  const { revision } = await records.attributes.change(by, off());
  for (const gate of [near, earlier]) {
    await gate.stands(revision);
    assert.equal(gate.status(many[0] as string), 'off');
  }
  assert.ok(!earlier.types().includes('part'));
  assert.deepEqual(earlier.types(), ['snapshot', 'subjects', 'complete', 'snapshot', 'subjects', 'complete']);
  for (const gate of [near, earlier]) await gate.stop();
});

test('a draft that comes to nothing is dropped at the gates', async (context) => {
  const { records, feed } = await open(context);
  await using _feed = feed;
  const gate = new Gate(records, feed, 'a');
  gate.follow();
  await gate.stands(records.journal.head().revision);
  await gate.renew();
  const bulk = records.attributes.change(by, off());
  await eventually(() => gate.types().includes('prepared'), 'all parts are there');
  await records.revocation.retire(by, many[3] as string);
  await gate.hold();
  await assert.rejects(bulk, { code: 'subject_retired' });
  await eventually(() => gate.types().includes('dropped'), 'it is told');
  const { revision } = await records.attributes.change(by, off(['truck-1']));
  await gate.stands(revision);
  await gate.stop();
});

test('P13: a gate that starts gets all that is in force, also what a full disk keeps from the live rows', async (context) => {
  const { records, feed } = await open(context);
  await using _feed = feed;
  const { attributes, store } = records;
  const pagesMax = (pages: number) => store.change((db) => sql.raw(`PRAGMA max_page_count = ${pages}`).execute(db));
  const set = (asked: object) => attributes.change(by, AttributesRequest.parse(asked));
  await set({ subjects: many.slice(0, 200), set: { site: 'kiel', status: 'active' } });
  const stop = records.journal.onChange(() => {
    stop();
    void pagesMax(1);
  });
  const { revision } = await set({ subjects: many.slice(0, 600), set: { status: 'off' }, visibility: 'public' });
  await assert.rejects(attributes.merged(), { code: 'disk_full' });
  const gate = new Gate(records, feed, 'a');
  gate.follow({ names: 'status,site' });
  await gate.stands(revision);
  const facts = (subject: string) => {
    const row = gate.replica.findSubject(subject);
    return [
      gate.replica.subjectRevision(row),
      gate.replica.attribute(row, 'status'),
      gate.replica.valueOf(row, 'site'),
    ];
  };
  const now = new Date(records.clock.now).toISOString();
  const fact = { value: 'off', public: true, revision, changedBy: 'operator-1', changedAt: now };
  assert.deepEqual(facts(many[0] as string), [revision, fact, 'kiel']);
  assert.deepEqual(facts(many[599] as string), [revision, fact, undefined]);
  await gate.stop();
  await pagesMax(1_000_000);
});

test('a settlement looks into the parts too', async (context) => {
  const { records, feed } = await open(context);
  await using _feed = feed;
  const { revision: judgedAt, revisionHash: hash } = records.journal.head();
  await records.attributes.change(by, off(many.slice(0, 600)));
  const settle = async (subject: string) => {
    const batches = [{ batch: 1, judgedAt, head: { revision: judgedAt, hash }, subjects: [subject] }];
    return (await feed.settle('gate-a', { instance: 'a'.repeat(32), batches } as never)).batches[0]?.proven;
  };
  assert.equal(await settle(many[599] as string), false);
  assert.equal(await settle(many[600] as string), true);
});
