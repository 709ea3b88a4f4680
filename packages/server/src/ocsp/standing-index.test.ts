import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { issuersToldMax } from '@portcullis/contract';
import { StandingIndex } from './standing-index.ts';

const at = Date.UTC(2030, 0, 1);
const numberOf = (number: number) => Buffer.from(number.toString(16).padStart(8, '0'), 'hex');
const facts = { reason: undefined, changedAt: at, notAfter: at };

test('each is found by its issuer and number, as it was last said', () => {
  const index = new StandingIndex(() => 0);
  for (let number = 0; number < 5_000; number++)
    index.put({ ...facts, issuer: number % 3, serial: numberOf(number), changedAt: at + number * 1_000 });
  for (let number = 0; number < 5_000; number += 7)
    index.put({ ...facts, issuer: number % 3, serial: numberOf(number), reason: number % 11 });
  assert.equal(index.size, 5_000);
  for (let number = 0; number < 5_000; number++) {
    const changed = number % 7 === 0;
    assert.deepEqual(index.find(number % 3, numberOf(number)), {
      reason: changed ? number % 11 : undefined,
      changedAt: changed ? at : at + number * 1_000,
    });
    assert.equal(index.find((number + 1) % 3, numberOf(number)), undefined);
  }
  assert.equal(index.find(0, numberOf(5_001)), undefined);
  assert.equal(index.find(0, randomBytes(21)), undefined);
});

test('a serial number that several issuers gave is one of each of them, however many issuers there are', () => {
  const index = new StandingIndex(() => 0);
  for (let issuer = 0; issuer < issuersToldMax; issuer++)
    index.put({ ...facts, issuer, serial: numberOf(1), reason: issuer % 11 });
  assert.equal(index.size, issuersToldMax);
  for (let issuer = 0; issuer < issuersToldMax; issuer++)
    assert.equal(index.find(issuer, numberOf(1))?.reason, issuer % 11);
});

test('a number is the same with zeros before it or without', () => {
  const index = new StandingIndex(() => 0);
  index.put({ ...facts, issuer: 0, serial: Buffer.from('0000002a', 'hex') });
  assert.ok(index.find(0, Buffer.from('2a', 'hex')));
  assert.equal(index.find(0, Buffer.from('2a00', 'hex')), undefined);
});

test('what ended long ago makes room before more is taken', () => {
  const index = new StandingIndex(() => at);
  for (let number = 0; number < 1_024; number++)
    index.put({ ...facts, issuer: 0, serial: numberOf(number), notAfter: number < 1_000 ? at - 1_000 : at });
  index.put({ ...facts, issuer: 0, serial: numberOf(2_000) });
  assert.equal(index.size, 25);
  assert.equal(index.find(0, numberOf(999)), undefined);
  assert.ok(index.find(0, numberOf(1_000)));
});

test('a million take less than a hundred megabytes', () => {
  const before = process.memoryUsage().arrayBuffers;
  const index = new StandingIndex(() => 0);
  const serial = Buffer.alloc(16);
  for (let number = 0; number < 1_000_000; number++) {
    serial.writeUInt32BE(number, 4);
    index.put({ ...facts, issuer: 0, serial });
  }
  assert.equal(index.size, 1_000_000);
  globalThis.gc?.();
  const each = (process.memoryUsage().arrayBuffers - before) / 1_000_000;
  assert.ok(each < 200, `${each} bytes each, with what is not collected yet`);
});
