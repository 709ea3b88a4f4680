import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { createLog } from '../../telemetry/telemetry.ts';
import { Policies, type PolicyFiles } from './policies.ts';
import type { Policy } from './policy.ts';
import { numberPolicy } from './policy-number.ts';

/** Files that a test changes; `take` resolves to the next policy that is accepted. */
class Files {
  #mark = 0;
  #now: PolicyFiles | Error;
  loads = 0;
  unreadable = false;

  constructor(status: string) {
    this.#now = filesWith(status);
  }

  become(files: PolicyFiles | Error): void {
    this.#now = files;
    this.#mark++;
  }

  /** The same files can be read now. */
  mend(files: PolicyFiles): void {
    this.#now = files;
  }

  touch(): void {
    this.#mark++;
  }

  mark(): string {
    if (this.unreadable) throw Object.assign(new Error('EACCES'), { code: 'EACCES' });
    return String(this.#mark);
  }

  async load(): Promise<PolicyFiles> {
    this.loads++;
    if (this.#now instanceof Error) throw this.#now;
    return this.#now;
  }
}

function filesWith(status: string): PolicyFiles {
  const streams = { telemetry: { kinds: ['device' as const], expect: { status } } };
  return { streams, digest: status, needRestart: [], warnings: [] };
}

async function watched(context: TestContext, files: Files) {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-policies-'));
  const accepted: Policy[] = [];
  const log = createLog({ role: 'gate', level: 'silent' });
  context.mock.timers.enable({ apis: ['setTimeout'] });
  const policies = await Policies.open({
    numberOf: (digest) => numberPolicy(directory, digest),
    ...{ source: files, log, onNext: (policy) => accepted.push(policy) },
  });
  policies.watch();
  context.after(() => {
    policies.stop();
    rmSync(directory, { recursive: true, force: true });
  });
  /** Lets the files be looked at, and waits until what must follow from it is there. */
  const look = async (follows: () => boolean = () => true) => {
    context.mock.timers.tick(300);
    do await new Promise((resolve) => setImmediate(resolve));
    while (!follows());
  };
  return { policies, accepted, look };
}

const expected = ({ streams }: Policy) => streams.get('telemetry')?.expect[0]?.[1];

test('a file that changed is taken once it stays the same, with the next number', async (context) => {
  const files = new Files('active');
  const { policies, accepted, look } = await watched(context, files);
  assert.deepEqual([policies.accepted.number, expected(policies.accepted)], [1, 'active']);
  files.become(filesWith('other'));
  await look();
  assert.equal(files.loads, 1, 'somebody may still be writing');
  await look(() => accepted.length === 1);
  assert.deepEqual([policies.accepted.number, expected(policies.accepted)], [2, 'other']);
  await look();
  await look();
  assert.equal(files.loads, 2, 'nothing changed, nothing is read');
});

test('what is not valid is refused whole, the policy before stays, and what mends it is taken', async (context) => {
  const files = new Files('active');
  const { policies, accepted, look } = await watched(context, files);
  files.become(new PortcullisError('config_invalid', 'gate.yaml:3: no'));
  await look();
  await look(() => policies.refused);
  assert.deepEqual([accepted.length, policies.accepted.number], [0, 1]);
  files.become({ ...filesWith('x'), streams: { telemetry: { kinds: ['device'], expect: {}, when: 'reading.(' } } });
  await look();
  await look(() => files.loads === 3);
  await look();
  assert.deepEqual([accepted.length, policies.refused], [0, true], 'an expression that does not compile neither');
  files.become(filesWith('active'));
  await look();
  await look(() => !policies.refused);
  assert.deepEqual([accepted.length, policies.accepted.number], [0, 1], 'the same as before');
});

test('a file that is touched and says the same keeps its number', async (context) => {
  const files = new Files('active');
  const { accepted, look } = await watched(context, files);
  files.touch();
  await look();
  await look(() => files.loads === 2);
  await look();
  assert.deepEqual([files.loads, accepted.length], [2, 0]);
});

test('P13: files that can not even be looked at leave the policy as it is, and the gate alive', async (context) => {
  const files = new Files('active');
  const { policies, accepted, look } = await watched(context, files);
  files.unreadable = true;
  await look(() => policies.refused);
  assert.deepEqual([accepted.length, policies.accepted.number], [0, 1]);
  files.unreadable = false;
  files.become(filesWith('other'));
  await look();
  await look(() => accepted.length === 1);
  assert.equal(policies.refused, false);
});

test('what could not be read for a reason that may pass is read again by itself; what is invalid is not', async (context) => {
  const files = new Files('active');
  const { policies, accepted, look } = await watched(context, files);
  files.become(new Error('EMFILE: too many open files'));
  await look();
  await look(() => policies.refused);
  files.mend(filesWith('other'));
  for (let looks = 0; looks < 9; looks++) await look();
  assert.equal(files.loads, 2);
  await look(() => accepted.length === 1);
  files.become(new PortcullisError('config_invalid', 'no'));
  await look();
  await look(() => policies.refused);
  for (let looks = 0; looks < 15; looks++) await look();
  assert.equal(files.loads, 4);
});
