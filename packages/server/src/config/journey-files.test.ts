import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import type { AttributeType } from '@portcullis/contract';
import { JourneyFiles, readJourney } from './journey-files.ts';

const home = mkdtempSync(join(tmpdir(), 'portcullis-journeys-'));
after(() => rmSync(home, { recursive: true, force: true }));
const declared: Record<string, AttributeType> = {
  ...{ role: 'string', country: 'string', cold_chain: 'string', sealed: 'boolean' },
};

const lane = `journey: vaccine-lane
steps:
  - { name: factory, by: { role: factory } }
  - { name: pickup, by: { role: trucker }, within: 24h }
  - { name: customs, by: { role: customs, country: FR } }
  - { name: delivered, by: { role: clinic }, require: { cold_chain: intact }, final: true }
detours:
  - { from: pickup, back: factory }
offline: [customs]
`;

let written = 0;
function fileWith(text: string): string {
  const file = join(home, `lane-${written++}.yaml`);
  writeFileSync(file, text);
  return file;
}

test('a journey is read with its durations, detours and offline steps', () => {
  const journey = readJourney(fileWith(lane), declared);
  assert.deepEqual(
    journey.steps.map(({ name, withinMs, final }) => [name, withinMs, final]),
    [
      ['factory', undefined, false],
      ['pickup', 86_400_000, false],
      ['customs', undefined, false],
      ['delivered', undefined, true],
    ],
  );
  assert.deepEqual(journey.detours, [{ from: 'pickup', back: 'factory' }]);
  assert.deepEqual([journey.offline, journey.offlineMaxMs], [['customs'], 7 * 86_400_000]);
});

const faults: [what: string, change: (text: string) => string, line: number, words: RegExp][] = [
  ['a step twice', (text) => text.replace('customs, by', 'pickup, by'), 5, /"pickup" is a step already/],
  [
    'a step after the final one',
    (text) => text.replace('{ role: trucker }', '{ role: trucker }, final: true'),
    5,
    /"customs" can not be reached: "pickup" before it is final/,
  ],
  ['no final step', (text) => text.replace(', final: true', ''), 6, /"delivered", must say "final: true"/],
  ['a step that anybody could record', (text) => text.replace('{ role: factory }', '{}'), 3, /anybody could record/],
  [
    'a detour to a later step',
    (text) => text.replace('{ from: pickup, back: factory }', '{ from: factory, back: pickup }'),
    8,
    /"pickup" is not before "factory"/,
  ],
  ['a detour to itself', (text) => text.replace('back: factory', 'back: pickup'), 8, /a detour goes back/],
  [
    'a detour from a step that there is not',
    (text) => text.replace('from: pickup', 'from: pikup'),
    8,
    /"pikup" is no step; there are \[factory, pickup, customs, delivered\]/,
  ],
  ['a detour from the final step', (text) => text.replace('from: pickup', 'from: delivered'), 8, /nothing comes after/],
  [
    'a detour twice',
    (text) => text.replace('offline:', '  - { from: pickup, back: factory }\noffline:'),
    9,
    /is there already/,
  ],
  ['an offline step that is final', (text) => text.replace('[customs]', '[delivered]'), 9, /never offline/],
  ['an offline step that there is not', (text) => text.replace('[customs]', '[costums]'), 9, /"costums" is no step/],
  ['an offline step twice', (text) => text.replace('[customs]', '[customs, customs]'), 9, /is there already/],
  [
    'a condition on an attribute that is not declared',
    (text) => text.replace('cold_chain:', 'cold_chian:'),
    6,
    /"cold_chian" is not declared; add it to "attributes" in fleet.yaml/,
  ],
  [
    'a checkpoint by an attribute that is not declared',
    (text) => text.replace('country:', 'land:'),
    5,
    /"land" is not declared/,
  ],
  [
    'a condition of another type',
    (text) => text.replace('cold_chain: intact', 'sealed: "true"'),
    6,
    /"sealed" is a boolean in fleet.yaml, and this is a string/,
  ],
  [
    'a condition on what the journey says itself',
    (text) => text.replace('cold_chain: intact', 'state: moving'),
    6,
    /what the journey itself says/,
  ],
  ['a time that is none', (text) => text.replace('24h', '24 hours'), 4, /must be a duration/],
  ['a key that there is not', (text) => text.replace('within:', 'wihtin:'), 4, /did you mean "within"/],
  ['a name that is none', (text) => text.replace('vaccine-lane', 'Vaccine Lane'), 1, /must match/],
];

for (const [what, change, line, words] of faults) {
  test(`${what} is refused with its line`, () => {
    const text = change(lane);
    assert.notEqual(text, lane);
    const file = fileWith(text);
    assert.throws(
      () => readJourney(file, declared),
      (error: Error & { code: string }) => {
        assert.equal(error.code, 'config_invalid');
        assert.ok(error.message.startsWith(`${file}:${line}: `), error.message);
        assert.match(error.message, words);
        return true;
      },
    );
  });
}

test('without the file of the fleet a journey is checked as far as it can be', () => {
  const file = fileWith(lane.replace('cold_chain', 'anything'));
  assert.equal(readJourney(file, undefined).journey, 'vaccine-lane');
});

test('a folder has each journey once, and its mark changes with a file', () => {
  const folder = join(home, 'journeys');
  const files = new JourneyFiles(home, declared);
  assert.deepEqual(files.load(), []);
  mkdirSync(folder);
  writeFileSync(join(folder, 'a.yaml'), lane);
  writeFileSync(join(folder, 'notes.txt'), 'not a journey');
  const before = files.mark();
  assert.deepEqual(
    files.load().map(({ journey }) => journey),
    ['vaccine-lane'],
  );
  assert.deepEqual(files.names, ['journeys/a.yaml']);
  writeFileSync(join(folder, 'b.yaml'), lane);
  assert.notEqual(files.mark(), before);
  assert.throws(() => files.load(), /b\.yaml: journey "vaccine-lane" is in .*a\.yaml already/);
});
