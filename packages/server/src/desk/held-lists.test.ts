import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import type { IncomingMessage } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Link } from '@portcullis/device';
import { eventually } from '../../test/house.ts';
import { createLog } from '../telemetry/telemetry.ts';
import { HeldLists } from './held-lists.ts';
import { Position } from './position.ts';

const log = createLog({ role: 'desk', level: 'silent' });
const time = '2030-01-01T00:00:00.000Z';

function listed(role: 'device' | 'root', number: number) {
  const list = {
    number,
    thisUpdate: time,
    nextUpdate: time,
    entries: 0,
    der: Buffer.from(`${number}`).toString('base64'),
  };
  return { issuer: `issuer-${role}`, name: role, role, certificate: 'AAAA', list };
}

test('P9: lists of lower numbers than were given out are not given; the authority is told of the highest, and of the history', async (context) => {
  const directory = mkdtempSync(join(tmpdir(), 'portcullis-lists-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  const position = new Position(join(directory, 'position.json'), log);
  position.move({ revision: 7, hash: 'a'.repeat(64) });
  let items = [listed('device', 50), listed('root', 900)];
  const asked: URLSearchParams[] = [];
  const request = async ({ url }: { url: string }) => {
    asked.push(new URL(url).searchParams);
    return { status: 200, headers: {}, body: Buffer.from(JSON.stringify({ mark: `${asked.length}`, items })) };
  };
  const begin = () => {
    const system = { monotonic: () => 0 };
    const lists = new HeldLists({
      authority: 'https://localhost',
      link: () => ({ request }) as unknown as Link,
      position,
      system,
      log,
    });
    context.after(() => lists.stop());
    // What came with the first answer is taken, or not, by the second question.
    const until = asked.length + 2;
    void lists.keep();
    const given = async () =>
      (
        await lists.answer({ url: '/crl/issuer-device.crl', method: 'GET', headers: {} } as IncomingMessage)
      ).body.toString();
    return { given, stop: () => lists.stop(), answered: () => eventually(() => asked.length >= until, 'it asked') };
  };
  const first = begin();
  await eventually(async () => (await first.given().catch(() => '')) === '50', 'the list is given');
  assert.deepEqual(Object.fromEntries(asked[0] ?? []), { after: '7', hash: 'a'.repeat(64) });
  assert.equal(position.listNumber, 50, "the root's counts alone");
  first.stop();
  items = [listed('device', 49), listed('root', 900)];
  const later = begin();
  await later.answered();
  assert.equal(asked.at(-1)?.get('number'), '50');
  await assert.rejects(later.given(), { code: 'route_unknown' });
  items = [listed('device', 51), listed('root', 900)];
  await eventually(async () => (await later.given().catch(() => '')) === '51', 'one that is above it is given');
  await position.close();
});
