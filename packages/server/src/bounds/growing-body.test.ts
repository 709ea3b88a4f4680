import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Budget, GrowingBody, piecesMax } from './bounds.ts';

class Counted implements Budget {
  taken = 0;
  most = 0;
  readonly max: number;

  constructor(max = Number.POSITIVE_INFINITY) {
    this.max = max;
  }

  take(bytes: number): boolean {
    if (this.taken + bytes > this.max) return false;
    this.taken += bytes;
    this.most = Math.max(this.most, this.taken);
    return true;
  }

  give(bytes: number): void {
    this.taken -= bytes;
  }
}

test('a body of one piece is that piece, and is not copied', () => {
  const budget = new Counted();
  const body = new GrowingBody(100, budget);
  const piece = Buffer.from('hello');
  assert.equal(body.add(piece), undefined);
  assert.equal(budget.taken, 5);
  assert.equal(body.end().buffer, piece.buffer);
  assert.equal(budget.taken, 0);
});

test('pieces of any size come together in their order, and no more than twice their bytes is ever taken', () => {
  const budget = new Counted();
  const body = new GrowingBody(1_000_000, budget);
  const sent: Buffer[] = [];
  for (let index = 0; index < 5_000; index++) {
    const piece = Buffer.alloc(1 + (index % 97), index % 251);
    sent.push(piece);
    assert.equal(body.add(piece), undefined);
  }
  const whole = Buffer.concat(sent);
  assert.ok(budget.most <= 2 * whole.length, `${budget.most} taken for ${whole.length}`);
  assert.ok(body.end().equals(whole));
  assert.equal(budget.taken, 0);
});

test('P13: a byte over the bound, a piece over the bound and a budget that is spent are refused, and what was taken is given back', () => {
  const budget = new Counted(4_096);
  const long = new GrowingBody(10, budget);
  assert.equal(long.add(Buffer.alloc(10)), undefined);
  assert.equal(long.add(Buffer.alloc(1)), 'too_large');
  for (const [pieceBytes, pieces] of [
    [1, 1_170],
    [8, piecesMax],
    [64, piecesMax],
  ] as const) {
    const shredded = new GrowingBody(4_000_000);
    for (let count = 0; count < pieces; count++) assert.equal(shredded.add(Buffer.alloc(pieceBytes)), undefined);
    assert.equal(shredded.add(Buffer.alloc(pieceBytes)), 'too_many_pieces');
  }
  const crowded = new GrowingBody(100_000, budget);
  assert.equal(crowded.add(Buffer.alloc(2_000)), undefined);
  assert.equal(crowded.add(Buffer.alloc(2_000)), 'no_room');
  for (const body of [long, crowded]) body.letGo();
  assert.equal(budget.taken, 0);
});

test('a buffer never grows over the bound of its body', () => {
  const budget = new Counted(1_500);
  const body = new GrowingBody(1_500, budget);
  for (let count = 0; count < 15; count++) assert.equal(body.add(Buffer.alloc(100)), undefined);
  assert.equal(budget.taken, 1_500);
  assert.equal(body.end().length, 1_500);
});
