/** What holds for every command, also for one that is added: wrong words, a fleet that is not there, and an authority that is down. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { after, before, test } from 'node:test';
import { FleetName } from '@portcullis/contract';
import type { Command } from 'commander';
import { freeBasePort } from '../../../../tools/commands.ts';
import { runTo } from './cli.ts';
import { makeFleetDirectory } from './fleet-directory.ts';
import { Output } from './output.ts';
import { makeProgram } from './program.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-commands-'));
const fleet = join(home, 'fleet');
let basePort = 0;
before(async () => {
  basePort = await freeBasePort();
  await makeFleetDirectory(fleet, { fleet: FleetName.parse('fleet-1'), basePort, hosts: undefined });
});
after(() => rmSync(home, { recursive: true, force: true }));

interface Ended {
  status: number;
  out: string;
  side: string;
}

async function run(...words: string[]): Promise<Ended> {
  const [out, side] = [new PassThrough({ encoding: 'utf8' }), new PassThrough({ encoding: 'utf8' })];
  const status = await runTo(out, side, words);
  return { status, out: String(out.read() ?? ''), side: String(side.read() ?? '') };
}

const everything = await makeProgram(new Output(new PassThrough(), new PassThrough(), { json: false }));

function leavesOf(command: Command, before: string[] = []): { words: string[]; command: Command }[] {
  const words = command === everything ? [] : [...before, command.name()];
  if (command.commands.length === 0) return [{ words, command }];
  return command.commands.flatMap((inner) => leavesOf(inner, words));
}
const leaves = leavesOf(everything);

/** What a command with these operands is given, so that only the fleet is missing. */
const operands: Record<string, string[]> = {
  subject: ['truck-17'],
  subjects: ['truck-17'],
  'subject|fingerprint': ['truck-17'],
  'subjects|K=V': ['truck-17', 'site=berlin'],
  'subjects|names': ['truck-17', 'site'],
  name: ['site'],
  type: ['string'],
  revision: ['1'],
  id: ['0123456789abcdef'],
  dir: [join(home, 'none')],
  role: ['gate'],
  gate: ['gate-1'],
  source: ['plant'],
  'subject|hold': ['truck-17'],
  delivery: [join(import.meta.dirname, 'cli.ts')],
  arrival: ['a-1'],
  step: ['pickup'],
  what: ['device'],
  answer: [join(import.meta.dirname, 'cli.ts')],
  file: [join(home, 'none', 'lane.yaml')],
  shipment: ['box-1'],
  kind: ['device'],
  'ca.pem': [join(fleet, 'root.pem')],
  'file|dir|-': [join(import.meta.dirname, 'cli.ts')],
};

/** Operands that may be left out, and are not in the usual case. */
const optional: Record<string, string[]> = {
  'alert retry': ['--all'],
  migrate: ['--to', 'postgres://127.0.0.1/none'],
  'token create': ['truck-18'],
  'subject approve': ['truck-17'],
  'certificate suspend': ['truck-17'],
  'certificate resume': ['truck-17'],
  'certificate revoke': ['truck-17'],
  'credential suspend': ['truck-17'],
  'credential resume': ['truck-17'],
  'credential revoke': ['truck-17'],
  'shipment create': ['--journey', 'lane'],
  'shipment label': ['--code', '0123456789ABCDEFGHJKMNPQRSTVWXYZ'],
  'shipment export': ['--epcis'],
  'arrival void': ['--reason', 'a mistake'],
  'arrival declare': ['--reason', 'a mistake'],
  'signal apply': ['truck-17', '--reason', 'it is so'],
  'signal release': ['--reason', 'looked at it'],
  'breach acknowledge': ['--reason', 'seen'],
};

function completed({ words, command }: { words: string[]; command: Command }): string[] {
  const given = command.registeredArguments
    .filter(({ required }) => required)
    .flatMap((operand) => operands[operand.name()] ?? assert.fail(`"${operand.name()}" has no example here`));
  return [...words, ...given, ...(optional[words.join(' ')] ?? [])];
}

/** These run processes of their own, make something, or ask with another credential: they have tests of their own. */
const joining = ['gate join', 'desk join', 'authority join', 'authority approve'];
const apart = [
  'init',
  'up',
  'start',
  ...joining,
  'arrival record',
  'root create',
  'root sign',
  'root list',
  'revocation add',
];
const usual = leaves.filter(({ words }) => !apart.includes(words.join(' ')));

/** Also those of a list are the last line. */
function failureIn({ out }: Ended): { error: string; message: string; title?: string } {
  return JSON.parse(out.trimEnd().split('\n').at(-1) ?? '') as { error: string; message: string };
}

for (const { words } of leaves) {
  test(`"${words.join(' ')}" with an unknown option is wrong usage: status 2, in words and as JSON`, async () => {
    const ended = await run(...words, '--no-such-option', '--json');
    assert.equal(ended.status, 2);
    const { error, title } = failureIn(ended);
    assert.deepEqual([error, title], ['usage', 'wrong usage']);
    assert.match(ended.side, /^portcullis: unknown option '--no-such-option'.*; --help tells more \(usage\)\n$/);
  });
}

for (const { words, command } of leaves.filter((leaf) =>
  leaf.command.registeredArguments.some((one) => one.required),
)) {
  test(`"${words.join(' ')}" without its operands is wrong usage, and names the first`, async () => {
    const ended = await run('--json', ...words);
    assert.deepEqual([ended.status, failureIn(ended).error], [2, 'usage']);
    assert.ok(failureIn(ended).message.includes(command.registeredArguments[0]?.name() ?? '-'), ended.side);
  });
}

for (const leaf of usual) {
  test(`"${leaf.words.join(' ')}" where no fleet is names the directory, and is no error of ours`, async () => {
    const none = join(home, 'none');
    const ended = await run('--fleet', none, ...completed(leaf), '--json');
    assert.deepEqual([ended.status, failureIn(ended).error === 'internal'], [1, false], ended.side);
    assert.ok(failureIn(ended).message.includes(none), ended.side);
  });
}

/** These use the files and the store themselves; and who is down is what "status" tells, as its result. */
const onTheStore =
  /^(config|upgrade|migrate|journey check|rule check|policy test|journal verify|operator (add|export|renew)|(gate|desk|authority) accept|status|backup|restore)/;
for (const leaf of usual.filter(({ words }) => !onTheStore.test(words.join(' ')))) {
  test(`"${leaf.words.join(' ')}" with the authority down names host and port, and asks`, async () => {
    const ended = await run(...completed(leaf), '--fleet', fleet, '--json');
    assert.equal(ended.status, 1, ended.side);
    const { error, message } = failureIn(ended);
    assert.equal(error, 'server_unreachable');
    assert.ok(message.includes(`localhost:${basePort}" can not be reached: ECONNREFUSED; is it running?`), message);
  });
}

test('a noun without a verb, and a word that is no command, are wrong usage', async () => {
  for (const words of [[], ['subject'], ['lorry'], ['subject', 'lst']]) {
    const ended = await run(...words, '--json');
    assert.deepEqual([ended.status, failureIn(ended).error], [2, 'usage'], words.join(' '));
  }
});

test('the version is told wherever the option stands', async () => {
  for (const words of [['--version'], ['subject', 'list', '--version'], ['subject', '--version']]) {
    const ended = await run(...words);
    assert.deepEqual([ended.status, /^\d+\.\d+\.\d+\n$/.test(ended.out)], [0, true], words.join(' '));
  }
  assert.match((await run('--version', '--json')).out, /^\{"version":"\d+\.\d+\.\d+"\}\n$/);
});

test('PORTCULLIS_FLEET names the fleet, and --fleet names it before that', async (context) => {
  process.env.PORTCULLIS_FLEET = join(home, 'named');
  context.after(() => delete process.env.PORTCULLIS_FLEET);
  assert.ok((await run('subject', 'list')).side.includes(join(home, 'named')));
  assert.ok((await run('subject', 'list', '--fleet', join(home, 'other'))).side.includes(join(home, 'other')));
  process.env.PORTCULLIS_FLEET = '';
  assert.match((await run('config', 'check')).side, /fleet/);
});
