import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { createLog } from '../../telemetry/telemetry.ts';
import { acceptPrune, Retention } from './retention.ts';

const day = 86_400_000;
const start = 1_000 * day;
const retainDays = 30;

/** One reading an hour, a sink that holds their times, and clocks that a test sets. */
class Scene {
  readonly directory: string;
  readonly log = createLog({ role: 'gate', level: 'silent' });
  received: number[] = [];
  counted = 0;
  authority = start;
  gate = start;
  leased = true;
  retention: Retention;

  constructor(context: TestContext, ages = 29) {
    this.directory = mkdtempSync(join(tmpdir(), 'portcullis-retention-'));
    context.after(() => rmSync(this.directory, { recursive: true, force: true }));
    for (let hour = ages * 24; hour >= 0; hour--) this.received.push(start - hour * (day / 24));
    this.retention = this.restarted();
  }

  restarted(days = retainDays): Retention {
    this.retention = new Retention({
      ...{ directory: this.directory, retainDays: days, log: this.log },
      sink: {
        age: async (before) => {
          this.counted++;
          return { older: this.received.filter((at) => at < before).length, present: this.received.length };
        },
        prune: async (before) => {
          const kept = this.received.filter((at) => at >= before);
          const removed = this.received.length - kept.length;
          this.received = kept;
          return removed;
        },
      },
      lease: { holds: () => this.leased },
      authorityTime: () => this.authority,
      now: () => this.gate,
    });
    return this.retention;
  }

  /** Both clocks. */
  set time(time: number) {
    [this.authority, this.gate] = [time, time];
  }

  async look(): Promise<number> {
    await this.retention.look();
    return this.received.length;
  }
}

test('a clock that is 40 days ahead, of the gate or of the authority, removes nothing', async (context) => {
  const scene = new Scene(context);
  const all = await scene.look();
  scene.gate = start + 40 * day;
  assert.equal(await scene.look(), all);
  scene.gate = start;
  scene.authority = start + 40 * day;
  assert.equal(await scene.look(), all);
});

test('without a lease, and before the authority said what time it is, nothing is removed', async (context) => {
  const scene = new Scene(context, 31);
  scene.leased = false;
  const all = await scene.look();
  assert.equal(all, scene.received.length);
  scene.leased = true;
  scene.authority = Number.NaN;
  const silent = new Retention({
    ...{ directory: scene.directory, retainDays, log: scene.log, lease: { holds: () => true } },
    sink: { age: async () => assert.fail(), prune: async () => assert.fail() },
    authorityTime: () => undefined,
    now: () => start,
  });
  await silent.look();
});

test('as time passes readings go as they get old, however many of them are of one hour', async (context) => {
  const scene = new Scene(context);
  await scene.look();
  for (let hour = 8; hour <= 24 * 29; hour += 8) {
    scene.time = start + hour * (day / 24);
    await scene.look();
  }
  assert.deepEqual([scene.retention.waiting, scene.counted], [0, 1]);
  assert.equal(scene.received[0], start - day);
  scene.received = Array.from({ length: 1_000 }, () => start - day);
  scene.time = start + 29 * day + day / 12;
  assert.equal(await scene.look(), 0);
});

test('two clocks that are 40 days ahead for a moment remove nothing: the gate asks, and forgets it when the time is right', async (context) => {
  const scene = new Scene(context);
  const all = await scene.look();
  scene.time = start + 40 * day;
  assert.equal(await scene.look(), all);
  assert.equal(scene.retention.waiting, all);
  scene.time = start + 1_000;
  assert.equal(await scene.look(), all);
  assert.equal(scene.retention.waiting, 0);
});

test('up to a tenth goes in one step, after a gate that stood still; more waits for a word, over a restart too', async (context) => {
  const scene = new Scene(context);
  const all = await scene.look();
  scene.time = start + 3 * day;
  assert.ok((await scene.look()) >= all * 0.9);
  assert.equal(scene.retention.waiting, 0);
  const rest = scene.received.length;
  scene.time = start + 8 * day;
  assert.equal(await scene.look(), rest);
  const { waiting } = scene.retention;
  assert.ok(waiting > rest * 0.1);
  const counted = scene.counted;
  scene.restarted();
  for (let minute = 0; minute < 60; minute++) await scene.look();
  assert.deepEqual([scene.retention.waiting, scene.counted], [waiting, counted], 'it is not counted again each minute');
  assert.deepEqual(await acceptPrune(scene.directory), { before: start - 22 * day, readings: waiting, of: rest });
  assert.equal(await scene.look(), rest - waiting);
  assert.equal(scene.retention.waiting, 0);
  assert.equal(existsSync(join(scene.directory, 'retention-accepted.json')), false);
  assert.equal(await acceptPrune(scene.directory), undefined);
  scene.time = start + 8 * day + day / 24;
  assert.equal(await scene.look(), rest - waiting - 1, 'and so it goes on');
});

test('a word that was given for what a wrong clock asked removes nothing once the clock is right', async (context) => {
  const scene = new Scene(context);
  const all = await scene.look();
  scene.time = start + 40 * day;
  await scene.look();
  await acceptPrune(scene.directory);
  scene.time = start + 1_000;
  assert.equal(await scene.look(), all);
  scene.time = start + 41 * day;
  assert.equal(await scene.look(), all, 'a later question needs a word of its own');
  assert.ok(scene.retention.waiting > 0);
});

test('a smaller retainDays asks first', async (context) => {
  const scene = new Scene(context);
  const all = await scene.look();
  scene.restarted(7);
  assert.equal(await scene.look(), all);
  assert.ok(scene.retention.waiting > 0);
});

test('0 days is for ever', async (context) => {
  const scene = new Scene(context);
  scene.restarted(0);
  scene.time = start + 10_000 * day;
  assert.equal(await scene.look(), scene.received.length);
});
