import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackOff, paces } from './back-off.ts';

const systemWith = (fraction: number) => ({
  now: () => 0,
  monotonic: () => 0,
  random: (bytes: number) => {
    const drawn = Buffer.alloc(bytes);
    drawn.writeUInt32BE(Math.floor(fraction * (2 ** 32 - 1)));
    return drawn;
  },
});

test('waits double up to the longest, with full jitter below', () => {
  const most = new BackOff(systemWith(1));
  const waits = Array.from({ length: 8 }, () => Math.round(most.next(paces.certificate)));
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000]);
  const least = new BackOff(systemWith(0));
  assert.equal(least.next(paces.certificate), 0);
});

test('not_admitted waits up to five minutes, an attribute refusal up to half a minute', () => {
  const backOff = new BackOff(systemWith(1));
  for (let tries = 0; tries < 40; tries++) backOff.next(paces.not_admitted);
  assert.equal(Math.round(backOff.next(paces.not_admitted)), 300_000);
  assert.equal(Math.round(backOff.next(paces.certificate)), 30_000);
});

test('only an acknowledged reading starts it again (FIELD-NOTES G4)', () => {
  const backOff = new BackOff(systemWith(1));
  for (let tries = 0; tries < 5; tries++) backOff.next(paces.network);
  backOff.acknowledged();
  assert.equal(Math.round(backOff.next(paces.network)), paces.network.firstMs);
});

test('what the server asks for is waited for at least', () => {
  assert.equal(new BackOff(systemWith(0)).next(paces.gate, 7_000), 7_000);
});
