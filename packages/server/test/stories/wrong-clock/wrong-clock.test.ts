/** A device whose clock is in 1970, or ten years ahead, and that nobody sets: a real process under libfaketime, OpenSSL's clock with it. */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { patienceMs } from '../../../../../test/patience.ts';
import { finished, launchOf, Running } from '../../../../../tools/commands.ts';
import { eventually, House } from '../../house.ts';
import { fakeTimeLibrary, WallClock } from '../faults/wall-clock.ts';

const missing = fakeTimeLibrary === undefined;
const skip =
  missing && process.env.CI !== 'true' ? 'libfaketime.so.1 is missing: install the package "faketime"' : false;

let house: House;
before(async () => {
  if (!skip) house = await House.open();
});
after(() => house?.close());

interface Stored {
  deviceTime: string | null;
  clock: string;
}

for (const [subject, what, seconds] of [
  ['in-1970', 'in 1970', -Math.floor(Date.now() / 1_000) + 3_600],
  ['ahead', 'ten years ahead', 10 * 365 * 86_400],
] as const) {
  test(`D7: a device ${what} enrols, sends and dates its readings by the right time`, { skip }, async () => {
    assert.equal(missing, false, 'libfaketime.so.1 is missing: install the package "faketime"');
    const clock = new WallClock();
    clock.step(seconds);
    const launch = launchOf('portcullis-device', clock.environment);
    const [token] = await house.json<{ token: string }>('token', 'create', subject);
    const directory = join(house.home, subject);
    const enrolled = await finished(launch, 'enrol', token?.token ?? '', '--device', directory);
    assert.equal(enrolled.status, 0, enrolled.error);
    assert.match(enrolled.out, /takes it/);
    const running = new Running(launch, 'run', '--metrics', '--interval', '0.2', '--device', directory);
    try {
      // What was measured before the right time was known says so, and stays as it is.
      const dated = async () => {
        const stored = await house.json<Stored>('readings', '--subject', subject, '--limit', '100');
        return stored.find(({ clock }) => clock === 'synchronized');
      };
      await eventually(async () => (await dated()) !== undefined, 'a reading of the right time', patienceMs);
      const one = await dated();
      assert.ok(Math.abs(Date.parse(one?.deviceTime ?? '') - Date.now()) < 600_000, one?.deviceTime ?? 'none');
    } finally {
      await running.stop();
    }
  });
}
