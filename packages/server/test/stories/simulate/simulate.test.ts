/** Simulated devices at a real house: what the simulator counts, the gate counts too. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Link } from '@portcullis/device';
import { z } from 'zod';
import { House } from '../../house.ts';
import { Operator } from '../../operator.ts';

const Counts = z.record(z.string(), z.int());
const Told = z.looseObject({
  subjects: z.int(),
  enrolled: z.int(),
  broken: Counts,
  seconds: z.number(),
  admitted: z.int(),
  waiting: z.int(),
  setAside: z.int(),
  refused: Counts,
  errors: Counts,
  latency: z.object({ count: z.int(), p50Ms: z.number(), p99Ms: z.number(), longestMs: z.number() }).nullable(),
  connections: z.object({ opened: z.int(), openMost: z.int(), openAtEnd: z.int() }),
  renewals: z.object({ done: z.int(), failed: Counts }),
  returned: z.object({ count: z.int() }).nullable(),
  simulator: z.object({ cpuSeconds: z.number(), memoryMostBytes: z.int() }),
});

let house: House;
let kept: string;
before(async () => {
  house = await House.open();
  kept = join(house.home, 'simulated');
});
after(() => house.close());

async function simulated(...words: string[]) {
  const [told] = await house.json('simulate', '--directory', kept, ...words);
  return Told.parse(told);
}

/** What the gate counts: a figure by its name and label. */
async function figures(): Promise<(name: string) => number> {
  const operator = new Operator(house.fleet);
  const { roots, fleet } = operator.credential;
  const link = new Link({ roots, fleet, role: 'gate', credential: operator.credential });
  const { body } = await link.request({ url: `${house.gateUrl}/v1/metrics` }).finally(() => {
    link.close();
    operator.close();
  });
  const lines = body.toString('utf8').split('\n');
  return (name) => Number(lines.find((line) => line.startsWith(`${name} `))?.slice(name.length + 1) ?? 0);
}

const refusedFor = (reason: string) => `portcullis_gate_refused_total{reason="${reason}"}`;

test('the summary says what the gate counted: admitted, and refused by reason, also of those that are broken', async () => {
  const told = await simulated('--subjects', '24', '--broken', '1', '--for', '6s', '--every', '1s');
  const figure = await figures();
  assert.equal(told.subjects, 24);
  assert.equal(told.enrolled, 23, 'whom nobody knows is not enrolled');
  assert.deepEqual(told.broken, { clock: 1, cut: 1, revoked: 1, unknown: 1 });
  assert.ok(told.admitted >= 20 * 3, `${told.admitted} admitted`);
  assert.equal(told.admitted, figure('portcullis_gate_admitted_total'));
  assert.ok((told.refused.reading_malformed ?? 0) > 0);
  assert.equal(told.refused.reading_malformed, figure(refusedFor('reading_malformed')));
  assert.equal(told.setAside, told.refused.reading_malformed);
  assert.ok((told.refused.not_admitted ?? 0) > 0, 'a revoked one learns nothing more');
  assert.ok(figure(refusedFor('certificate_revoked')) >= (told.refused.not_admitted ?? 0));
  // The alert of TLS, or the end of the connection without it: what is read first.
  const { not_authenticated = 0, server_unreachable = 0 } = told.errors;
  assert.ok(not_authenticated + server_unreachable > 0, 'TLS refuses whom nobody knows');
  assert.ok(figure(refusedFor('handshake_refused')) > 0);
  assert.ok((told.errors.server_not_verified ?? 0) > 0, 'by a wrong clock no server can be verified');
  assert.ok(told.connections.openMost >= 21, JSON.stringify(told.connections));
  assert.ok((told.latency?.p50Ms ?? 0) > 0 && (told.latency?.longestMs ?? 0) >= (told.latency?.p99Ms ?? 0));
  assert.ok(told.simulator.cpuSeconds > 0 && told.simulator.memoryMostBytes > 0);
});

test('a second run enrols nobody anew; after a power cut all come back; on a renewal day all renew, and nothing is lost', async () => {
  const before = await figures();
  const told = await simulated(
    ...['--subjects', '24', '--broken', '1', '--for', '16s', '--every', '1s'],
    ...['--pattern', 'power-return', '--pattern', 'renewal-day'],
  );
  const figure = await figures();
  assert.equal(told.enrolled, 0);
  assert.equal(told.renewals.done, 20, JSON.stringify(told.renewals));
  // One is broken in such a way that what it sends is never acknowledged.
  assert.equal(told.returned?.count, 20, JSON.stringify(told));
  assert.ok(told.connections.opened >= 40, JSON.stringify(told.connections));
  const admitted = figure('portcullis_gate_admitted_total') - before('portcullis_gate_admitted_total');
  // What was acknowledged to a device without power is sent again, and counted once here.
  assert.ok(told.admitted <= admitted && admitted - told.admitted <= 20, `${told.admitted} of ${admitted}`);
});

test('over a slow radio it takes longer, and all arrives', async () => {
  const told = await simulated('--subjects', '4', '--for', '12s', '--every', '2s', '--pattern', 'slow-radio');
  assert.ok(told.admitted > 0, JSON.stringify(told));
  assert.ok((told.latency?.p50Ms ?? 0) >= 600, JSON.stringify(told.latency));
});

test('keys are kept for their owner alone', () => {
  const devices = join(kept, 'devices');
  for (const name of readdirSync(devices)) {
    assert.equal(statSync(join(devices, name, 'credential.json')).mode & 0o777, 0o600);
    assert.equal(statSync(join(devices, name)).mode & 0o077, 0);
  }
});

test('P9: it touches no subject that was made for anything else', async () => {
  await house.device('van-1');
  const { status, error } = await house.portcullis(
    ...['simulate', '--prefix', 'van', '--subjects', '1', '--for', '1s', '--directory', join(house.home, 'vans')],
  );
  assert.equal(status, 2, error);
  assert.match(error, /"van-1" is a subject of this fleet that was not made to be simulated; choose another --prefix/);
  assert.ok(!existsSync(join(house.home, 'vans/devices')));
});

test('it speaks for the fleet of its directory alone, and says what else it can not do', async () => {
  const asks: [string[], RegExp][] = [
    [['--stream', 'nowhere'], /no gate has a stream "nowhere"; they have \[/],
    [['--pattern', 'flood'], /pattern "flood" is unknown; it must be one of \[power-return, renewal-day, slow-radio\]/],
    [['--subjects', '4', '--broken', '1'], /of 4 subjects 4 would be broken/],
    [['--subjects', '0'], /--subjects is "0"; it must be a number from 1 to 100000/],
    [['--reading', '7'], /--reading is "7"; it must be a JSON object/],
    [['--directory', house.fleet], /holds something else than simulated devices; name another directory/],
  ];
  for (const [words, said] of asks) {
    const { status, error } = await house.portcullis('simulate', '--directory', kept, '--for', '1s', ...words);
    assert.notEqual(status, 0);
    assert.match(error, said);
  }
  const mark = join(kept, 'simulated.json');
  writeFileSync(mark, JSON.stringify({ fleet: 'another', roots: '' }));
  const foreign = await house.portcullis('simulate', '--directory', kept, '--for', '1s');
  assert.match(foreign.error, /holds simulated devices of another fleet \("another"\)/);
  rmSync(mark);
  const unmarked = await house.portcullis('simulate', '--directory', kept, '--for', '1s');
  assert.match(unmarked.error, /holds something else than simulated devices/);
});
