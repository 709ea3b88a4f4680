import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { until } from '../../../test/open-front.ts';
import { createLog } from '../../telemetry/telemetry.ts';
import { Position, positionIn } from './position.ts';
import { acceptClock, ValidityClock } from './validity-clock.ts';

const day = 86_400_000;
const start = Date.UTC(2030, 0, 1);
const minute = 60_000;

/** A gate whose clock a test sets, with what it logs. */
class Scene {
  readonly directory: string;
  readonly said: string[] = [];
  now = start;
  position!: Position;
  clock!: ValidityClock;

  constructor(context: TestContext) {
    this.directory = mkdtempSync(join(tmpdir(), 'portcullis-clock-'));
    context.after(async () => {
      await this.position.write();
      rmSync(this.directory, { recursive: true, force: true });
    });
    this.restart();
  }

  restart(): void {
    const log = createLog({ role: 'gate', level: 'silent' });
    const note = (_detail: object, words: string) => void this.said.push(words);
    Object.assign(log, { info: note, warn: note, error: note });
    this.position = new Position(positionIn(this.directory), log);
    this.clock = new ValidityClock({ directory: this.directory, position: this.position, now: () => this.now, log });
  }

  /** Both clocks, and a beat. */
  beatAt(time: number): void {
    this.now = time;
    this.clock.heard(time);
  }

  /** A process that ran while both clocks were 40 days ahead; one that starts when they are right. */
  async wasAhead(): Promise<void> {
    this.position.move({ fleet: 'f', revision: 7, hash: 'a'.repeat(64) });
    this.beatAt(start + 40 * day);
    await this.position.write();
    this.now = start;
    this.restart();
  }

  get accepted(): boolean {
    return existsSync(join(this.directory, 'clock-accepted.json'));
  }
}

test('P9: a clock that is put back judges by what the authority said before; within five minutes nothing is said of it', async (context) => {
  const scene = new Scene(context);
  scene.position.move({ fleet: 'f', revision: 7, hash: 'a'.repeat(64) });
  scene.beatAt(start);
  for (const [back, ahead] of [
    [0, 0],
    [5 * minute, 0],
    [5 * minute + 1, 5 * minute + 1],
    [day, day],
  ] as const) {
    scene.beatAt(start - back);
    const { clock } = scene;
    assert.deepEqual([clock.validityTime(), clock.presentTime(), clock.aheadMs()], [start, start - ahead, ahead]);
  }
});

test('a gate that was told a later time says so once, and once when it is over', async (context) => {
  const scene = new Scene(context);
  await scene.wasAhead();
  assert.equal(scene.clock.aheadMs(), 40 * day, 'before the first beat');
  scene.beatAt(start + 1_000);
  scene.beatAt(start + 2_000);
  assert.equal(scene.said.length, 1);
  assert.match(
    scene.said[0] ?? '',
    /once said 2030-02-10T00:00:00.000Z, and it is 2030-01-01.*"portcullis gate accept-clock"/,
  );
  scene.beatAt(start + 40 * day);
  assert.equal(scene.clock.aheadMs(), 0);
  assert.equal(scene.said.length, 2);
});

test("this machine's clock alone is behind: the authority says what it said, and the gate is sure", async (context) => {
  const scene = new Scene(context);
  await scene.wasAhead();
  scene.clock.heard(start + 40 * day + 1_000);
  assert.deepEqual([scene.clock.aheadMs(), scene.clock.presentTime()], [0, start + 40 * day]);
});

test('an operator says that the clock is right: with the next beat that agrees, while the gate runs, and for good', async (context) => {
  const scene = new Scene(context);
  await scene.wasAhead();
  assert.equal(await acceptClock(scene.directory, scene.now), start + 40 * day);
  scene.clock.heard(start + day);
  assert.ok(scene.clock.aheadMs() > 0 && scene.accepted, 'while the two clocks differ nobody knows which is right');
  scene.beatAt(start + 1_000);
  assert.deepEqual([scene.clock.aheadMs(), scene.clock.validityTime()], [0, start + 1_000]);
  await until(() => !scene.accepted, 'the word is used up');
  assert.match(readFileSync(positionIn(scene.directory), 'utf8'), new RegExp(`"clockFloor":${start + 1_000}`));
  assert.equal(await acceptClock(scene.directory, scene.now), undefined, 'nothing is ahead any more');
  assert.equal(scene.accepted, false);
});

test('a word on one time is none on a later one, and none where nothing is ahead; what is damaged is none at all', async (context) => {
  const scene = new Scene(context);
  await scene.wasAhead();
  for (const word of [JSON.stringify({ clockFloor: start + 39 * day }), '{']) {
    writeFileSync(join(scene.directory, 'clock-accepted.json'), word);
    scene.beatAt(start + 1_000);
    await until(() => !scene.accepted, 'it is used up');
    assert.ok(scene.clock.aheadMs() > 0);
  }
  await acceptClock(scene.directory, scene.now);
  scene.beatAt(start + 40 * day);
  await until(() => !scene.accepted, 'it is used up');
  assert.equal(scene.clock.validityTime(), start + 40 * day);
});
