import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLog } from './log.ts';
import { prettyLine } from './pretty-log.ts';

function shown(write: (log: ReturnType<typeof createLog>) => void, colours = false): string {
  const lines: string[] = [];
  write(createLog({ role: 'gate', level: 'debug' }, { write: (line) => void lines.push(prettyLine(line, colours)) }));
  return lines.join('').replace(/^\d\d:\d\d:\d\d\.\d{3}/gm, 'TIME');
}

test('a line has its time, level, role, words and facts', () => {
  assert.equal(
    shown((log) => log.warn({ revision: 7, gate: 'gate-1', why: 'no lease' }, 'the lease ended')),
    'TIME warn  gate the lease ended revision=7 gate=gate-1 why="no lease"\n',
  );
});

test('an error says what it says; one that nobody foresaw says where, too', () => {
  const foreseen = Object.assign(new Error('"localhost:8440" can not be reached'), { code: 'server_unreachable' });
  assert.equal(
    shown((log) => log.error({ err: foreseen }, "couldn't renew")),
    'TIME error gate couldn\'t renew: "localhost:8440" can not be reached\n',
  );
  assert.match(
    shown((log) => log.error({ err: new Error('odd') }, 'failed')),
    /^TIME error gate failed: odd \(at .*\)\n$/,
  );
});

test('whatever a device sends, it is one line and moves no cursor', () => {
  const hostile = shown((log) => log.info({ name: '\u001b[2J\u009b' }, 'one\ntwo\r\u202e'));
  assert.equal(hostile, 'TIME info  gate one\\u{a}two\\u{d}\\u{202e} name="\\u001b[2J\\u{9b}"\n');
});

test('only the level has a colour, and info has none', () => {
  assert.equal(
    shown((log) => log.error('x'), true),
    'TIME \u001b[31merror\u001b[0m gate x\n',
  );
  assert.equal(
    shown((log) => log.info('x'), true),
    'TIME info  gate x\n',
  );
});
