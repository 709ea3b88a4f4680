import assert from 'node:assert/strict';
import { test } from 'node:test';
import { screenOf } from './screen.ts';

const terminal = { isTTY: true, columns: 120 };

test('a pipe gets what 80 columns have room for, whole, and never a colour', () => {
  assert.deepEqual(screenOf({}, { FORCE_COLOR: '1' }, false), { width: 80, colours: false, wide: false, whole: true });
});

test('a terminal gets its width and colours', () => {
  assert.deepEqual(screenOf(terminal, { TERM: 'xterm' }, true), {
    width: 120,
    colours: true,
    wide: true,
    whole: false,
  });
  assert.equal(screenOf({ isTTY: true, columns: 0 }, {}, false).width, 80);
});

test('NO_COLOR and TERM=dumb mean no colours', () => {
  assert.equal(screenOf(terminal, { NO_COLOR: '1' }, false).colours, false);
  assert.equal(screenOf(terminal, { NO_COLOR: '' }, false).colours, true);
  assert.equal(screenOf(terminal, { TERM: 'dumb' }, false).colours, false);
});
