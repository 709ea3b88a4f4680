import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { FeedMessage, ToldRules } from '@portcullis/contract';
import type { Link } from '@portcullis/device';
import { until } from '../../../test/open-front.ts';
import { Tally } from '../../feed/tally.ts';
import { Replica } from '../../replica/replica.ts';
import { createLog, realSystem } from '../../telemetry/telemetry.ts';
import { FeedFollower } from './follow.ts';
import { Position, positionIn } from './position.ts';
import { ValidityClock } from './validity-clock.ts';

const at = '2026-06-01T00:00:00.000Z';
const hashAt = (revision: number) => String(revision).padStart(64, '0');
type Values = Record<string, string>;

/** One connection of the gate, as the authority sees it. */
class Asked {
  readonly query: URLSearchParams;
  readonly #stream: PassThrough;

  constructor(url: string, stream: PassThrough) {
    this.query = new URL(url).searchParams;
    this.#stream = stream;
  }

  get names(): string[] {
    return (this.query.get('attributes') ?? '').split(',');
  }

  get open(): boolean {
    return !this.#stream.destroyed;
  }

  say(...messages: object[]): void {
    for (const message of messages) this.#stream.write(`${JSON.stringify(message)}\n`);
  }

  break(): void {
    this.#stream.destroy(new Error('broken'));
  }

  /** What the authority knows at a revision, as far as it was asked for. */
  snapshot(revision: number, values: Values, hash = hashAt(revision)): void {
    const origin = { revision, changedBy: 'operator-1', changedAt: at };
    const told = Object.entries(values).filter(([name]) => this.names.includes(name));
    const attributes = Object.fromEntries(told.map(([name, value]) => [name, { value, public: false, ...origin }]));
    const head = { revision, hash };
    const subjects = [{ subject: 'truck-17', kind: 'device', revision, attributes, certificates: [] }];
    this.say(
      { type: 'snapshot', fleet: 'fleet-1', ...head },
      { type: 'subjects', subjects },
      { type: 'complete', ...head },
    );
  }

  change(revision: number, values: Values, previousHash = hashAt(revision - 1)): void {
    const told = Object.entries(values).filter(([name]) => this.names.includes(name));
    const attributes = Object.fromEntries(told.map(([name, value]) => [name, { value, public: false }]));
    const subjects = [{ subject: 'truck-17', kind: 'device', attributes }];
    this.say({ type: 'change', revision, hash: hashAt(revision), previousHash, at, actor: 'operator-1', subjects });
  }
}

async function followed(context: TestContext, first: string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-follow-'));
  const asked: Asked[] = [];
  const wanted = { names: first, byRules: [] as string[] };
  const told: ToldRules[] = [];
  /** What the authority does with each connection by itself. */
  const authority = { answer: (_asked: Asked): void => undefined, allows: (_names: string[]): boolean => true };
  const stream = async ({ url, signal }: { url: string; signal: AbortSignal }) => {
    const answer = new PassThrough();
    signal.addEventListener('abort', () => answer.destroy(new Error('aborted')));
    const one = new Asked(url, answer);
    asked.push(one);
    if (!authority.allows(one.names)) {
      const problem = { type: 'about:blank', title: 'not allowed', status: 403, reason: 'attributes_not_allowed' };
      answer.end(JSON.stringify(problem));
      return Object.assign(answer, { statusCode: 403, headers: {} }) as unknown as IncomingMessage;
    }
    authority.answer(one);
    return Object.assign(answer, { statusCode: 200, headers: {} }) as unknown as IncomingMessage;
  };
  const lines: string[] = [];
  const log = createLog({ role: 'gate', level: 'warn' }, { write: (line) => void lines.push(line) });
  const gate = { stops: false };
  const replica = new Replica();
  const distrusted = { count: 0 };
  const position = new Position(positionIn(directory), log);
  const feed = new FeedFollower({
    ...{ authority: 'https://authority', instance: 'a'.repeat(32), replica, log, system: realSystem },
    attributes: () => [...wanted.names, ...wanted.byRules],
    decidesBy: () => wanted.names,
    onRules: (rules) => void told.push(rules),
    position,
    clock: new ValidityClock({ directory, position, now: realSystem.now, log }),
    link: () => ({ stream }) as unknown as Link,
    onApplied: () => undefined,
    onPrepared: () => undefined,
    onDistrusted: () => void distrusted.count++,
    isStopping: () => gate.stops,
  });
  context.after(async () => {
    await feed.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  feed.start();
  const connection = async (number: number) => {
    await until(() => asked.length > number, `connection ${number}`);
    return asked[number] as Asked;
  };
  const value = (name: string) => replica.valueOf(replica.findSubject('truck-17'), name);
  const isAt = (revision: number) => until(() => replica.revision === revision, `revision ${revision}`);
  return { feed, replica, wanted, told, authority, connection, value, isAt, distrusted, lines, gate };
}

test('a beat says what was sent before it: where something else came, nothing that was made of it is believed', async (context) => {
  const { replica, connection, value, isAt, distrusted } = await followed(context, ['status']);
  const first = await connection(0);
  const tally = new Tally();
  const say = (...messages: object[]) => {
    for (const message of messages) tally.add(`${JSON.stringify(message)}\n`);
    first.say(...messages);
  };
  const head = { revision: 1, hash: hashAt(1) };
  say({ type: 'snapshot', fleet: 'fleet-1', ...head }, { type: 'complete', ...head });
  await isAt(1);
  say({ type: 'beat', ...head, time: at, sent: tally.now() });
  first.change(2, { status: 'off' });
  await isAt(2);
  assert.deepEqual([replica.complete, distrusted.count], [true, 0]);
  // The change was sent as another one.
  tally.add('{"type":"change"}\n');
  say({ type: 'beat', revision: 2, hash: hashAt(2), time: at, sent: tally.now() });
  const second = await connection(1);
  assert.deepEqual([replica.complete, distrusted.count], [false, 1], 'nothing is decided by it either');
  assert.equal(second.query.get('snapshot'), '1');
  second.snapshot(2, { status: 'active' });
  await until(() => value('status') === 'active', 'it reads a snapshot');
});

test('further attributes are read beside the feed, which goes on; then they are known, and the first connection ends', async (context) => {
  const { feed, wanted, connection, value, isAt } = await followed(context, ['status']);
  const first = await connection(0);
  first.snapshot(1, { status: 'active', site: 'berlin' });
  await isAt(1);
  wanted.names = ['site', 'status'];
  assert.equal(feed.carries(wanted.names), false);
  feed.askFurther();
  const second = await connection(1);
  assert.deepEqual([second.query.get('snapshot'), second.names], ['1', ['site', 'status']]);
  first.change(2, { status: 'off' });
  await isAt(2);
  assert.deepEqual([value('status'), value('site')], ['off', undefined], 'a change is applied meanwhile');
  second.snapshot(1, { status: 'active', site: 'berlin' });
  first.change(3, { status: 'active' });
  await isAt(3);
  assert.equal(feed.carries(wanted.names), false, 'what is behind takes no place');
  second.change(2, { status: 'off' });
  second.change(3, { status: 'active' });
  await until(() => feed.carries(wanted.names), 'it has taken the place');
  assert.deepEqual([value('status'), value('site')], ['active', 'berlin']);
  await until(() => !first.open, 'the first connection ends');
  second.change(4, { site: 'hamburg' });
  await isAt(4);
  assert.equal(value('site'), 'hamburg');
});

test('an attribute whose changes were not followed for a while is not known, although it once was', async (context) => {
  const { feed, wanted, connection, isAt } = await followed(context, ['seal', 'status']);
  const first = await connection(0);
  first.snapshot(1, { status: 'active', seal: 'good' });
  await isAt(1);
  wanted.names = ['status'];
  assert.equal(feed.carries(['seal']), true, 'the connection still tells of it');
  first.break();
  const second = await connection(1);
  assert.deepEqual([second.query.get('snapshot'), second.names, second.query.get('after')], [null, ['status'], '1']);
  second.change(2, { seal: 'broken' });
  await isAt(2);
  assert.equal(feed.carries(['seal']), false);
  wanted.names = ['seal', 'status'];
  feed.askFurther();
  const third = await connection(2);
  third.snapshot(2, { status: 'active', seal: 'broken' });
  await until(() => feed.carries(['seal']), 'it is known anew');
});

test('a snapshot whose attributes are not the ones that are wanted by its end is not taken', async (context) => {
  const { feed, wanted, connection, value } = await followed(context, ['status']);
  (await connection(0)).snapshot(1, { status: 'active', site: 'berlin', seal: 'good' });
  await until(() => feed.carries(['status']), 'the first snapshot');
  wanted.names = ['site', 'status'];
  feed.askFurther();
  const second = await connection(1);
  wanted.names = ['seal', 'status'];
  feed.askFurther();
  second.snapshot(1, { status: 'active', site: 'berlin', seal: 'good' });
  const third = await connection(2);
  assert.equal(feed.carries(['site']), false);
  third.snapshot(1, { status: 'active', seal: 'good' });
  await until(() => feed.carries(['seal', 'status']), 'the one that fits');
  assert.equal(value('seal'), 'good');
  assert.equal(second.open, false);
});

test('where both break, the gate connects anew with all that is wanted', async (context) => {
  const { feed, wanted, authority, connection, value } = await followed(context, ['status']);
  const first = await connection(0);
  first.snapshot(1, { status: 'active', site: 'berlin' });
  await until(() => feed.carries(['status']), 'the first snapshot');
  wanted.names = ['site', 'status'];
  feed.askFurther();
  const second = await connection(1);
  authority.answer = (asked) => asked.snapshot(1, { status: 'active', site: 'berlin' });
  second.break();
  first.break();
  await until(() => feed.carries(['site', 'status']), 'it is known');
  assert.equal(value('site'), 'berlin');
});

test('a feed that breaks off is told, and not where the gate ends too', async (context) => {
  const { connection, isAt, lines, gate } = await followed(context, ['status']);
  (await connection(0)).break();
  const second = await connection(1);
  assert.equal(lines.filter((line) => line.includes('the feed broke off: broken')).length, 1);
  lines.length = 0;
  gate.stops = true;
  second.snapshot(1, {});
  await isAt(1);
  second.break();
  await connection(2);
  assert.deepEqual(lines, []);
});

test('E8: a successor that goes back behind what this gate has seen is never taken', async (context) => {
  const { feed, replica, wanted, connection, isAt } = await followed(context, ['status']);
  const first = await connection(0);
  first.snapshot(5, { status: 'off', site: 'berlin' });
  await isAt(5);
  wanted.names = ['site', 'status'];
  feed.askFurther();
  const second = await connection(1);
  second.snapshot(3, { status: 'active', site: 'berlin' });
  second.say({ type: 'beat', revision: 3, hash: hashAt(3), time: at } satisfies FeedMessage as object);
  first.change(6, { status: 'off' });
  await isAt(6);
  assert.deepEqual([replica.revision, feed.carries(['site']), first.open], [6, false, true]);
});

test('P12: a change that does not follow what this gate holds is not applied: it asks by what it has seen, and takes no other history', async (context) => {
  const { feed, replica, connection, value, isAt } = await followed(context, ['status']);
  const first = await connection(0);
  first.snapshot(4, { status: 'active' });
  first.change(5, { status: 'off' });
  await isAt(5);
  first.change(6, { status: 'active' }, 'f'.repeat(64));
  const second = await connection(1);
  const asked = ['after', 'hash', 'snapshot'].map((name) => second.query.get(name));
  assert.deepEqual([asked, replica.complete], [['5', hashAt(5), '1'], false]);
  second.snapshot(5, { status: 'active' }, 'f'.repeat(64));
  const third = await connection(2);
  assert.deepEqual([feed.regressed, replica.complete, value('status')], [true, false, 'off']);
  third.snapshot(6, { status: 'off' });
  await isAt(6);
  assert.equal(feed.regressed, false);
});

test('P12: a successor of another history takes no place', async (context) => {
  const { feed, wanted, connection, isAt } = await followed(context, ['status']);
  (await connection(0)).snapshot(5, { status: 'off', site: 'berlin' });
  await isAt(5);
  wanted.names = ['site', 'status'];
  feed.askFurther();
  (await connection(1)).snapshot(5, { status: 'active', site: 'berlin' }, 'f'.repeat(64));
  await until(() => feed.regressed, 'it is refused');
  assert.equal(feed.carries(['site']), false);
});

const rulesAt = (revision: number) => ({ type: 'rules', revision, rules: [] });

test('rules are handed on as they come, those that a successor heard once it takes over', async (context) => {
  const { feed, wanted, told, connection, isAt } = await followed(context, ['status']);
  const first = await connection(0);
  first.say(rulesAt(1));
  first.snapshot(1, { status: 'active', site: 'berlin' });
  first.say(rulesAt(2));
  await until(() => told.length === 2, 'they are told');
  wanted.byRules = ['site'];
  feed.askFurther();
  const second = await connection(1);
  second.snapshot(1, { status: 'active', site: 'berlin' });
  second.say(rulesAt(3));
  first.change(2, { status: 'off' });
  await isAt(2);
  assert.deepEqual(
    told.map(({ revision }) => revision),
    [1, 2],
    'not while it is behind',
  );
  second.change(2, { status: 'off' });
  await until(() => told.length === 3, 'it has taken over');
  assert.equal(told[2]?.revision, 3);
});

test('attributes that only rules name, and that this gate may not read, keep it from nothing that it decides by', async (context) => {
  const { feed, wanted, authority, connection, value, isAt } = await followed(context, ['status']);
  authority.allows = (names) => !names.includes('secret');
  const first = await connection(0);
  first.snapshot(1, { status: 'active', secret: '42' });
  await isAt(1);
  wanted.byRules = ['secret'];
  feed.askFurther();
  await connection(1);
  first.change(2, { status: 'off' });
  await isAt(2);
  authority.answer = (asked) => asked.change(3, { status: 'active' });
  first.break();
  await isAt(3);
  assert.deepEqual([value('status'), value('secret'), feed.carries(['status'])], ['active', undefined, true]);
  authority.allows = () => true;
  authority.answer = (asked) => asked.snapshot(3, { status: 'active', secret: '42' });
  feed.askFurther();
  await until(() => feed.carries(['secret']), 'it is allowed by now');
  assert.equal(value('secret'), '42');
});
