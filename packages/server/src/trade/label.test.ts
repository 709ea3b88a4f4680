import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import jsqr from 'jsqr';
import { inCapitals, type QrSymbol, quietZone, symbolOf, symbolPath, symbolPng } from './symbol.ts';
import { labelSvg } from './trade.ts';

const url = 'https://scan.example/v/0123456789ABCDEFGHJKMNPQRSTVWXYZ';
const statement = `${'eyJhbGciOiJFUzI1NiJ9'.repeat(90)}.x.y`;
const facts = { shipment: 'load-7', fleet: 'lane', journey: 'vaccine-lane', url, statement };

/** What a decoder of another house reads in the modules. */
function read({ size, isDark }: QrSymbol): string | undefined {
  const [scale, side] = [3, (size + 2 * quietZone) * 3];
  const pixels = new Uint8ClampedArray(side * side * 4).fill(255);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const [row, column] = [Math.floor(y / scale) - quietZone, Math.floor(x / scale) - quietZone];
      const isInside = row >= 0 && column >= 0 && row < size && column < size;
      if (isInside && isDark(row, column)) pixels.fill(0, (y * side + x) * 4, (y * side + x) * 4 + 3);
    }
  return jsqr.default(pixels, side, side)?.data;
}

/** The modules that a path draws. */
function drawnBy(path: string, size: number): QrSymbol {
  const dark = new Set<number>();
  for (const [, x, y, width] of path.matchAll(/M(\d+) (\d+)\.5h(\d+)/g))
    for (let at = 0; at < Number(width); at++) dark.add(Number(y) * size + Number(x) + at);
  return { size, isDark: (row, column) => dark.has(row * size + column) };
}

test('another decoder reads both symbols of a label, out of what is drawn', () => {
  const paths = [...labelSvg(facts).matchAll(/ d="([^"]*)"/g)].map(([, path]) => path as string);
  const sizes = [symbolOf(inCapitals(url)).size, symbolOf(statement, 'L').size];
  const texts = paths.map((path, at) => read(drawnBy(path, sizes[at] as number)));
  assert.deepEqual(texts, [`HTTPS://SCAN.EXAMPLE/v/0123456789ABCDEFGHJKMNPQRSTVWXYZ`, statement]);
});

test('a statement that fits no symbol is not printed', () => {
  const { statement: _, ...without } = facts;
  assert.equal(labelSvg({ ...facts, statement: 'x'.repeat(2_954) }), labelSvg(without));
  assert.notEqual(labelSvg({ ...facts, statement: 'x'.repeat(2_953) }), labelSvg(without));
});

test('what is drawn are the modules of the symbol, each once', () => {
  const symbol = symbolOf(url);
  const drawn = drawnBy(symbolPath(symbol), symbol.size);
  for (let row = 0; row < symbol.size; row++)
    for (let column = 0; column < symbol.size; column++)
      assert.equal(drawn.isDark(row, column), symbol.isDark(row, column));
});

test('capitals of the address make the symbol smaller, and change nothing else of it', () => {
  assert.equal(inCapitals('https://scan.example:8442/v/abC?x=y'), 'HTTPS://SCAN.EXAMPLE:8442/v/abC?x=y');
  assert.ok(symbolOf(inCapitals(url)).size < symbolOf(url).size);
});

test('a label says what it is of, as text whatever that is', () => {
  const svg = labelSvg({ ...facts, journey: '<b>\u202e&"', item: { gtin: '06291041500213', serial: 'A<1' } });
  assert.match(svg, /<title id="label-title">Label of shipment load-7<\/title>/);
  assert.match(svg, /GTIN 06291041500213/);
  assert.match(svg, /A&lt;1/);
  assert.doesNotMatch(svg, /<b>|\u202e/);
  assert.equal(labelSvg({ ...facts, statement: undefined }).match(/<path/g)?.length, 1);
});

const reader = spawnSync('zbarimg', ['--version']).status === 0;
test('zbarimg reads the picture', { skip: !reader && !process.env.CI && 'zbarimg is not installed' }, async () => {
  const picture = await symbolPng(inCapitals(url));
  const { stdout } = spawnSync('zbarimg', ['--quiet', '--raw', '-'], { input: picture, encoding: 'utf8' });
  assert.equal(stdout.trim(), inCapitals(url));
});
