/** Two authorities at PostgreSQL whose machines have different configurations: which one leads, what is said of the other, and how the fleet gets from one to the next. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import { eventually } from '../../packages/server/test/house.ts';
import { ask, freshSchema, skip } from '../../packages/server/test/postgres.ts';
import { TwoAuthorities } from '../../packages/server/test/two-authorities.ts';
import { finished, Running } from '../../tools/commands.ts';

interface Status {
  ok: boolean;
  wrong: string[];
  standbys: { authority: string; against: string | null; time: string | null }[];
}

async function statusIn(directory: string): Promise<Status> {
  return JSON.parse((await finished('portcullis', 'status', '--json', '--fleet', directory)).out) as Status;
}

/** Of two terms: whoever may lead does by then. */
const waitedMs = 6_000;

/** Who leads is killed. */
async function nobodyFollows(leader: Running, schema: string): Promise<void> {
  const term = async () => (await ask<{ term: string }>(`SELECT term FROM ${schema}.leadership`))[0]?.term;
  const before = await term();
  const gone = once(leader.process, 'exit');
  leader.process.kill('SIGKILL');
  await gone;
  // It is what must not happen: nothing can be waited for.
  await after(waitedMs);
  assert.equal(await term(), before);
}

test('a standby with another lease does not lead, and says so; it leads once that was accepted, and then the other one does not', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const two = await TwoAuthorities.open(url, async () => undefined, 'leaseMs: 4000\n');
  context.after(() => two.close());
  const { house, leader, standby, copy } = two;
  const second = `https://localhost:${two.base}`;
  await standby.line(/\\"leaseMs\\" in fleet\.yaml is here alone.*accept-config.*\(config_differs\).*will not lead/);
  await standby.line(/answers who leads/);
  let status = await statusIn(house.fleet);
  assert.equal(status.ok, false);
  assert.deepEqual(
    status.standbys.map(({ authority }) => authority),
    [second],
  );
  assert.match(status.wrong.join(), /stands by and will not lead: .*leaseMs/);

  await nobodyFollows(leader, schema);

  const accepted = await finished('portcullis', 'authority', 'accept-config', copy, '--json');
  assert.deepEqual(JSON.parse(accepted.out), { accepted: true, differs: ['"leaseMs" in fleet.yaml is here alone'] });
  await standby.line(/^authority listening/);

  const returned = new Running('portcullis', 'start', 'authority', house.fleet, '--standby');
  context.after(() => returned.stop());
  await returned.line(/\\"leaseMs\\" in fleet\.yaml is not here.*\(config_differs\).*will not lead/);
  // The same on both machines: nothing has to be accepted, but for its own file it is read at a start.
  await returned.stop();
  const file = join(house.fleet, 'fleet.yaml');
  writeFileSync(file, `${readFileSync(file, 'utf8')}leaseMs: 4000\n`);
  const again = new Running('portcullis', 'start', 'authority', house.fleet, '--standby');
  context.after(() => again.stop());
  await again.line(/answers who leads/);
  status = await statusIn(house.fleet);
  const [{ time, ...told } = { time: null }, ...more] = status.standbys;
  assert.deepEqual([told, more], [{ authority: `https://localhost:${house.basePort}`, against: null }, []]);
  assert.match(time ?? '', /^\d{4}-.*Z$/, 'it says what time it is there');

  // Rules are read while it runs, at both.
  mkdirSync(join(copy, 'rules'));
  const rule =
    'rule: cold\nstreams: [telemetry]\noutside: reading.temperature > 8.0\nfor: 10m\non: {breach: {cold: false}}\n';
  writeFileSync(join(copy, 'rules/cold.yaml'), rule);
  await again.line(/rules\/cold\.yaml is not here.*will not lead/);
  mkdirSync(join(house.fleet, 'rules'));
  writeFileSync(join(house.fleet, 'rules/cold.yaml'), `# The same.\n${rule}`);
  await again.line(/stands by and would lead/);
  await standby.stop();
  await again.line(/^authority listening/);
  await eventually(async () => (await statusIn(house.fleet)).standbys.length === 0, 'it leads alone');
});

test('a standby without the key of an issuer that signs does not lead, and says so; it leads once the key was carried there', {
  skip,
}, async (context) => {
  const { url, schema } = freshSchema(context);
  const two = await TwoAuthorities.open(url);
  context.after(() => two.close());
  const { house, leader, standby, copy } = two;
  await standby.line(/answers who leads/);
  const rollover = async (...words: string[]) =>
    (await finished('portcullis', 'rollover', ...words, '--fleet', house.fleet)).status === 0;
  assert.ok(await rollover('start', 'device'));
  await eventually(() => rollover('advance'), 'gates and desks hold the new bundle');
  assert.ok(await rollover('advance', '--force'));
  await standby.line(/issuer-device-2\.pem.*will not lead/);
  const { ok, wrong } = await statusIn(house.fleet);
  assert.equal(ok, false);
  assert.match(wrong.join(), /stands by and will not lead: .*issuer-device-2\.pem/);

  await nobodyFollows(leader, schema);

  const key = 'authority/keys/issuer-device-2.pem';
  copyFileSync(join(house.fleet, key), join(copy, key));
  await standby.line(/stands by and would lead/);
  await standby.line(/^authority listening/);
});
