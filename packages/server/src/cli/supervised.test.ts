import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { type TestContext, test } from 'node:test';
import { type Child, Supervised } from './supervised.ts';

/** A child that does what the test says: it answers, or not, and ends when it is told to, or not. */
class ScriptedChild extends EventEmitter {
  exitCode: number | null = null;
  signalCode: NodeJS.Signals | null = null;
  answers = true;
  obeys = true;
  asked = 0;

  send(): boolean {
    this.asked++;
    if (this.answers) this.emit('message', { alive: true });
    return true;
  }

  kill(signal: NodeJS.Signals): boolean {
    if (signal === 'SIGTERM' && !this.obeys) return true;
    this.signalCode = signal;
    this.emit('exit', null, signal);
    return true;
  }

  listens(): void {
    this.emit('message', { listens: { role: 'gate', listening: ['https://127.0.0.1:8443'] } });
  }

  fails(failed: string): void {
    this.emit('message', { failed });
    this.exitCode = 1;
    this.emit('exit', 1, null);
  }
}

class Scene {
  readonly children: ScriptedChild[] = [];
  readonly told: string[] = [];
  readonly supervised: Supervised;
  readonly #context: TestContext;

  constructor(context: TestContext) {
    context.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    this.#context = context;
    this.supervised = new Supervised({
      role: 'gate',
      launch: () => {
        const child = new ScriptedChild();
        this.children.push(child);
        return child as unknown as Child;
      },
      listens: () => undefined,
      notice: (words) => this.told.push(words),
    });
  }

  get child(): ScriptedChild {
    return this.children.at(-1) as ScriptedChild;
  }

  after(seconds: number): void {
    for (let left = seconds; left > 0; left--) this.#context.mock.timers.tick(1_000);
  }
}

test('whatever ends is started again after a second, then twice as long each time, up to half a minute; each end is told', (context) => {
  const scene = new Scene(context);
  scene.child.listens();
  for (const seconds of [1, 2, 4, 8, 16, 30, 30]) {
    const before = scene.children.length;
    scene.child.kill('SIGKILL');
    assert.equal(scene.told.at(-1), `portcullis: the gate ended (SIGKILL); starting it again in ${seconds} s`);
    scene.after(seconds - 1);
    assert.equal(scene.children.length, before);
    scene.after(1);
    assert.equal(scene.children.length, before + 1);
  }
});

test('a restart that fails is tried again, with its reason told', (context) => {
  const scene = new Scene(context);
  scene.child.listens();
  scene.child.kill('SIGKILL');
  scene.after(1);
  scene.child.fails('port_taken');
  assert.equal(scene.told.at(-1), 'portcullis: the gate ended (port_taken); starting it again in 2 s');
  scene.after(2);
  assert.equal(scene.children.length, 3);
});

test('who listened for a minute starts with the shortest pause again', (context) => {
  const scene = new Scene(context);
  scene.child.listens();
  scene.child.kill('SIGKILL');
  scene.after(1);
  scene.child.listens();
  scene.after(60);
  scene.child.kill('SIGKILL');
  assert.match(scene.told.at(-1) ?? '', /starting it again in 1 s/);
});

test('a first start that fails is not repeated: who waits for it is told the reason', async (context) => {
  const scene = new Scene(context);
  scene.child.fails('credential_unusable');
  await assert.rejects(scene.supervised.firstReady, { code: 'credential_unusable', message: /the gate did not start/ });
  scene.after(600);
  assert.equal(scene.children.length, 1);
});

test('a child that the kernel does not give counts as one that ended', async (context) => {
  const scene = new Scene(context);
  scene.child.emit('error', new Error('spawn EAGAIN'));
  await assert.rejects(scene.supervised.firstReady, { message: /did not start: spawn EAGAIN/ });
});

test('a child that lives and does not answer for half a minute is ended and started again', (context) => {
  const scene = new Scene(context);
  scene.child.listens();
  scene.after(600);
  assert.equal(scene.children.length, 1, 'one that answers is left alone');
  scene.child.answers = false;
  scene.after(30);
  assert.equal(scene.children.length, 1);
  scene.after(6);
  assert.equal(scene.children.length, 2);
  assert.deepEqual(scene.told, [
    'portcullis: the gate lives and does not answer; ending it',
    'portcullis: the gate ended (SIGKILL); starting it again in 1 s',
  ]);
});

test('one answer in between is enough', (context) => {
  const scene = new Scene(context);
  scene.child.listens();
  for (let round = 0; round < 20; round++) {
    scene.child.answers = false;
    scene.after(25);
    scene.child.answers = true;
    scene.after(5);
  }
  assert.equal(scene.children.length, 1);
});

test('a gate that waits for its authority, however long, is healthy; one that hangs before it listens is not', (context) => {
  const scene = new Scene(context);
  scene.after(86_400);
  assert.equal(scene.children.length, 1);
  scene.child.answers = false;
  scene.after(290);
  assert.equal(scene.child.signalCode, null);
  scene.after(20);
  assert.equal(scene.child.signalCode, 'SIGKILL');
});

test('a stop is told, is a kill once it is over, and nothing is started after it', async (context) => {
  const scene = new Scene(context);
  scene.child.listens();
  scene.child.obeys = false;
  const over = new AbortController();
  const stopped = scene.supervised.stop(over.signal);
  scene.after(60);
  assert.equal(scene.child.signalCode, null);
  over.abort();
  assert.equal(scene.child.signalCode, 'SIGKILL');
  await stopped;
  scene.after(600);
  assert.equal(scene.children.length, 1);
  assert.deepEqual(scene.told, []);
});

test('a stop while it waits to start again starts nothing', async (context) => {
  const scene = new Scene(context);
  scene.child.listens();
  scene.child.kill('SIGKILL');
  await scene.supervised.stop(new AbortController().signal);
  scene.after(600);
  assert.equal(scene.children.length, 1);
});
