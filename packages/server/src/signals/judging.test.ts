import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'yaml';
import { SignalsSection } from '../config/signals-config.ts';
import { compileSignals } from './judge.ts';
import { Judging } from './judging.ts';

const source = (reactions: string, may = '{ attributes: { status: [quarantined] } }') =>
  SignalsSection.parse(
    parse(`plant: { certificate: alertmanager-1, format: json, may: ${may}, reactions: [${reactions}] }`),
  );
const usual = source(
  `{ on: 'alert.labels.severity == "critical"', subject: alert.labels.device, hold: { status: quarantined } }`,
);
const facts = (device: string) => ({
  ...{ key: device, status: 'firing', labels: { severity: 'critical', device }, annotations: {} },
});

test('5 000 alerts are judged in a thread, in their order', async () => {
  const judging = new Judging(usual, 60_000);
  try {
    const names = Array.from({ length: 5_000 }, (_, index) => `truck-${index}`);
    const judged = await judging.judge('plant', names.map(facts));
    assert.deepEqual(
      judged.map((one) => ('matches' in one ? one.matches[0]?.subject : one.refused)),
      names,
    );
  } finally {
    await judging.stop();
  }
});

test('judging that takes too long ends in "busy", for all that waits for it, and the next delivery has a thread of its own', async () => {
  const judging = new Judging(usual, 1);
  const many = Array.from({ length: 5_000 }, (_, index) => facts(`truck-${index}`));
  try {
    const both = await Promise.allSettled([judging.judge('plant', many), judging.judge('plant', many)]);
    for (const one of both)
      assert.equal(one.status === 'rejected' && (one.reason as { code: string }).code, 'signals_busy');
    const patient = new Judging(usual, 60_000);
    assert.equal((await patient.judge('plant', [facts('truck-1')])).length, 1);
    await patient.stop();
  } finally {
    await judging.stop();
  }
});

test('more deliveries than may wait are told so', async () => {
  const judging = new Judging(usual, 60_000);
  try {
    const asked = Array.from({ length: 70 }, () => judging.judge('plant', [facts('truck-1')]));
    const told = await Promise.allSettled(asked);
    const busy = told.filter(({ status }) => status === 'rejected');
    assert.deepEqual([told.length, busy.length], [70, 6]);
  } finally {
    await judging.stop();
  }
});

const wrong: [string, string, RegExp][] = [
  [
    'a condition that is none',
    `{ on: alert.key, subject: alert.key, hold: { status: quarantined } }`,
    /plant\.reactions\.0\.on: .*never give a boolean/,
  ],
  [
    'a member that no alert has',
    `{ on: 'alert.lables.x == "y"', subject: alert.key, hold: { status: quarantined } }`,
    /an alert has \[key, /,
  ],
  [
    'a subject that is no text',
    `{ on: 'true', subject: '1.0', hold: { status: quarantined } }`,
    /reactions\.0\.subject: .*never give a string/,
  ],
];
for (const [title, reaction, message] of wrong) {
  test(`${title} is refused before anything starts`, () => {
    assert.throws(() => compileSignals(source(reaction)), { code: 'config_invalid', message });
  });
}

test('a source holds none but the subjects that it may', () => {
  const may = '{ attributes: { status: [quarantined] }, subjects: [truck-1, van-*] }';
  const judge = compileSignals(source(`{ on: 'true', subject: alert.key, hold: { status: quarantined } }`, may)).get(
    'plant',
  );
  const verdicts = ['truck-1', 'truck-12', 'van-', 'van-9'].map((key) => 'matches' in (judge?.(facts(key)) ?? {}));
  assert.deepEqual(verdicts, [true, false, true, true]);
});

const refusedConfigs: [string, string, RegExp][] = [
  [
    'a value that is not in may',
    `{ on: 'true', subject: alert.key, hold: { status: gone } }`,
    /status="gone" is not in "may.attributes"/,
  ],
  [
    'a suspension that is not in may',
    `{ on: 'true', subject: alert.key, suspend: true }`,
    /"may.standings" does not have suspend/,
  ],
  ['a reaction that does nothing', `{ on: 'true', subject: alert.key }`, /must have "hold", "suspend" or both/],
  [
    'a proof of what a person decides',
    `{ on: 'true', subject: alert.key, hold: { status: quarantined }, proof: { stream: t, inside: 'true' } }`,
    /"proof" needs "until: resolved"/,
  ],
  [
    'an end that is none',
    `{ on: 'true', subject: alert.key, hold: { status: quarantined }, until: soon }`,
    /must be person, resolved or a duration/,
  ],
];
for (const [title, reaction, message] of refusedConfigs) {
  test(`${title} is refused when the file is read`, () =>
    assert.throws(
      () => source(reaction),
      (error) => message.test(JSON.parse((error as Error).message)[0].message),
    ));
}
