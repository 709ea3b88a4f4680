import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Column, type Screen, Table, widthOf } from './table.ts';

interface Row {
  name: string;
  kind: string;
  count: number;
  about: string;
}

const columns: Column<Row>[] = [
  { title: 'NAME', priority: 1, value: ({ name }) => name },
  { title: 'KIND', priority: 3, value: ({ kind }) => kind, colour: () => 'red' },
  { title: 'COUNT', priority: 2, align: 'right', value: ({ count }) => count },
  { title: 'ABOUT', priority: 2, least: 10, usual: 12, value: ({ about }) => about },
];
const rows: Row[] = [
  { name: 'truck-17', kind: 'device', count: 7, about: 'site="berlin" status="active" seal="9f3c"' },
  { name: 'a', kind: 'gateway', count: 1_234, about: '' },
];

function shown(given: Partial<Screen>, list = rows, live = false): string[] {
  const table = new Table(columns, { width: 80, colours: false, wide: false, whole: false, ...given }, live);
  return [...list.flatMap((row) => table.add(row)), ...table.end()];
}

test('all columns where there is room for all, under their headers', () => {
  assert.deepEqual(shown({}), [
    'NAME      KIND     COUNT  ABOUT',
    'truck-17  device       7  site="berlin" status="active" seal="9f3c"',
    'a         gateway   1234',
  ]);
});

test('with less room, what may be cut is cut first', () => {
  assert.deepEqual(shown({ width: 45 }), [
    'NAME      KIND     COUNT  ABOUT',
    'truck-17  device       7  site="berlin" stat…',
    'a         gateway   1234',
  ]);
});

test('with less still, the column of the highest number goes', () => {
  assert.deepEqual(shown({ width: 30 }), [
    'NAME      COUNT  ABOUT',
    'truck-17      7  site="berlin…',
    'a          1234',
  ]);
});

test('a name is never cut, however narrow the screen is', () => {
  const [, first] = shown({ width: 5 });
  assert.equal(first, 'truck-17');
});

test('no line is wider than the screen as long as the names fit', () => {
  for (let width = 9; width < 100; width++) {
    for (const line of shown({ width })) assert.ok(widthOf(line) <= width, `${width}: ${line}`);
  }
});

test('wide: all columns, and all of each', () => {
  assert.deepEqual(shown({ width: 10, wide: true }), shown({ width: 1_000 }));
});

test('whole: the columns that a screen has room for, and all of each', () => {
  assert.deepEqual(shown({ width: 30, whole: true }), [
    'NAME      COUNT  ABOUT',
    'truck-17      7  site="berlin" status="active" seal="9f3c"',
    'a          1234',
  ]);
  assert.deepEqual(shown({ width: 30, whole: true }, rows, true)[1], shown({ width: 30, whole: true })[1]);
});

test('colours change no width', () => {
  const coloured = shown({ colours: true });
  assert.ok(coloured[1]?.includes('\u001b[31mdevice\u001b[0m  '), coloured[1]);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the colours
  const bare = coloured.map((line) => line.replaceAll(/\u001b\[\d+m/g, ''));
  assert.deepEqual(bare, shown({}));
});

test('what comes from outside moves no cursor and makes no line', () => {
  const [, line] = shown({}, [{ name: 'x', kind: '\u001b[2J', count: 1, about: 'a\nb\u202e' }]);
  assert.equal(line, 'x     \\u{1b}[2J      1  a\\u{a}b\\u{202e}');
});

test('what takes two places on a terminal is given two', () => {
  assert.equal(widthOf('東京'), 4);
  assert.equal(widthOf('Zu\u0308rich'), 6);
  const [, line] = shown({ width: 30 }, [{ name: '東京', kind: '', count: 1, about: '東京東京東京東京東京' }]);
  assert.equal(line, '東京            1  東京東京東…');
});

test('a live list writes its header with its first row, by what is usual', () => {
  const table = new Table(columns, { width: 80, colours: false, wide: false, whole: false }, true);
  assert.deepEqual(
    rows.map((row) => table.add(row).length),
    [2, 1],
  );
});

test('the rows after the first thousand go by the widths of those', () => {
  const many = Array.from({ length: 1_001 }, (_, count) => ({ name: 'b', kind: 'k', count, about: '' }));
  const last = { name: 'much-longer', kind: 'k', count: 0, about: 'x'.repeat(50) };
  const lines = shown({}, [...many, last]);
  assert.equal(lines.length, 1_003);
  assert.equal(lines.at(-1), `much-longer  k         0  ${'x'.repeat(50)}`);
});
