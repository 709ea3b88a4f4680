import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ArrivalView, ShipmentView } from '@portcullis/contract';
import { wrongIn } from './carriers.ts';

type Row = [arrival: string, step: string, outcome?: ArrivalView['outcome']];
type Given = [arrival: string, status: number, step?: string];

/** What is found in a shipment with these arrivals, of which checkpoints were told this. */
function found(rows: Row[], given: Given[] = [], { state = 'moving', step = rows.at(-1)?.[1] ?? null } = {}): string[] {
  const arrivals = rows.map(([arrival, step, outcome = 'recorded']) => ({ arrival, step, outcome }));
  const view = { shipment: 'box-1', step, state, arrivals } as unknown as ShipmentView;
  const told = given.map(([arrival, status, step]) => ({ shipment: 'box-1', arrival, role: 'ship', status, step }));
  return wrongIn(view, told).map(({ what }) => what);
}

const begun: Row[] = [
  ['a', 'step-1'],
  ['b', 'step-2'],
  ['c', 'step-3'],
];
const whole: Row[] = [...begun, ['d', 'step-4']];

test('P14: what the lane allows, and what was told of it, is found to be right', () => {
  const given: Given[] = [
    ['a', 201, 'step-1'],
    ['b', 0],
    ['x', 409],
    ['lost', 0],
  ];
  assert.deepEqual(found(begun, given), []);
  assert.deepEqual(found([...begun, ['d', 'step-2'], ['e', 'step-3']]), [], 'a load that was brought back');
  assert.deepEqual(found(whole, [], { state: 'delivered' }), []);
});

/** Each is broken in one way. */
const broken: [string, () => string[], string][] = [
  [
    'a step that was left out',
    () =>
      found([
        ['a', 'step-1'],
        ['b', 'step-3'],
      ]),
    'a history that the journey does not allow',
  ],
  ['a return that is none', () => found([...begun, ['d', 'step-1']]), 'a history that the journey does not allow'],
  [
    'a step that is said and not taken',
    () => found(begun, [], { step: 'step-2' }),
    'its step is not that of its last arrival',
  ],
  [
    'a delivery before the end',
    () => found(begun, [], { state: 'delivered' }),
    'delivered, or not, against its last arrival',
  ],
  ['an answer that was lost', () => found(begun, [['d', 201, 'step-4']]), 'recorded, and not there as it was'],
  ['another step than was answered', () => found(begun, [['b', 201, 'step-3']]), 'recorded, and not there as it was'],
  ['a refusal that counts', () => found(begun, [['b', 409]]), 'refused, and it counts'],
];
for (const [what, find, expected] of broken) test(`P14: ${what} is found`, () => assert.deepEqual(find(), [expected]));
