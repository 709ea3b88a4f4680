/** A second machine that gets what it needs of the first one, sealed for its key, and leads once that one is gone with its disk. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as after } from 'node:timers/promises';
import type { AuthorityView } from '@portcullis/contract';
import { enrol } from '@portcullis/device';
import { House, post } from '../../packages/server/test/house.ts';
import { freshSchema, skip } from '../../packages/server/test/postgres.ts';
import { finished, freeBasePort, Running } from '../../tools/commands.ts';

test('a machine joins by two files and an approved fingerprint; when the first is gone with its disk, it issues, revokes and answers', {
  skip,
}, async (context) => {
  const { url } = freshSchema(context);
  const base = await freeBasePort();
  const house = await House.open(
    (made) => {
      const both = (offset: number) =>
        JSON.stringify([made.basePort, base].map((port) => `https://localhost:${port + offset}`));
      made.configure('fleet.yaml', (text) =>
        text
          .replace(/^authorityUrl: .*$/m, `authorityUrl: ${both(0)}`)
          .replace(/^enrolmentUrl: .*$/m, `enrolmentUrl: ${both(1)}`),
      );
      made.configure('gate.yaml', (text) => text.replace(/^authority: .*$/m, `authority: ${both(0)}`));
    },
    ['--store', url],
  );
  context.after(() => house.close());
  const device = await house.pem(await house.device('truck-1', { status: 'active' }));
  const send = async (id: string) =>
    (await post(`${house.gateUrl}/v1/streams/telemetry/readings`, device, JSON.stringify({ id, data: { celsius: 4 } })))
      .status;
  assert.equal(await send('before'), 202);
  // The operator that init made knows of one authority until it asks.
  assert.equal((await house.portcullis('status')).status, 0);
  await house.json('token', 'create', 'sensor-1', '--credential', 'oscore');

  const [there, request, answer] = ['there', 'request.json', 'answer.json'].map((name) => join(house.home, name)) as [
    string,
    string,
    string,
  ];
  const joining = (...words: string[]) => finished('portcullis', 'authority', 'join', there, '--json', ...words);
  const ports = ['--api-port', `${base}`, '--enrolment-port', `${base + 1}`];
  const asked = JSON.parse((await joining('--request', request, ...ports)).out) as { fingerprint: string };
  const approve = (fingerprint: string) =>
    house.portcullis('authority', 'approve', 'second', request, answer, '--json', '--fingerprint', fingerprint);
  const entries = async () => (await house.json<{ entries: number }>('journal', 'verify', '--no-gates'))[0]?.entries;
  const unchanged = await entries();
  assert.match((await approve('0'.repeat(64))).error, /not the one that was given; nothing was done/);
  assert.deepEqual([existsSync(answer), await entries()], [false, unchanged]);
  const approved = await approve(asked.fingerprint);
  assert.equal(approved.status, 0, approved.error);
  const { fingerprint } = JSON.parse(approved.out) as { fingerprint: string };
  assert.equal(await entries(), (unchanged ?? 0) + 1);
  // Of what travels nothing is to be seen, and an answer of somebody else is taken for none.
  assert.doesNotMatch(readFileSync(answer, 'utf8'), /PRIVATE|fleet\.yaml/);
  assert.match(
    (await joining('--answer', answer, '--fingerprint', asked.fingerprint)).error,
    /the answer has the fingerprint/,
  );
  const joined = await joining('--answer', answer, '--fingerprint', fingerprint);
  assert.equal(joined.status, 0, joined.error);
  assert.deepEqual(readdirSync(there).toSorted(), ['authority', 'fleet.yaml', 'root.pem']);
  assert.deepEqual(readdirSync(join(there, 'authority')).toSorted(), ['credentials.key', 'identity.json', 'keys']);
  const keys = (directory: string) => readdirSync(join(directory, 'authority/keys')).toSorted();
  assert.deepEqual(
    keys(there),
    keys(house.fleet).filter((name) => !name.startsWith('root')),
  );
  const [second] = await house.json<AuthorityView>('authority', 'list');
  assert.deepEqual(
    [second?.name, second?.fingerprint, second?.approvedBy],
    ['second', asked.fingerprint, 'operator-1'],
  );

  const standsBy = async (directory: string, line: RegExp) => {
    const running = new Running('portcullis', 'start', 'authority', directory, '--standby');
    context.after(() => running.stop());
    await running.line(line);
    return running;
  };
  const places = async (leads: Running, next: Running) => {
    const ended = once(leads.process, 'exit');
    leads.process.kill('SIGTERM');
    await ended;
    await next.line(/^authority listening/);
  };
  // The second one's "hosts" are its own: it signs for the names that the first one led by.
  const takesOver = await standsBy(there, /stands by/);
  await places(house.authority as Running, takesOver);
  const leadsAgain = await standsBy(house.fleet, /answers who leads/);
  await places(takesOver, leadsAgain);

  const standby = await standsBy(there, /stands by/);
  const first = leadsAgain.process;
  const gone = once(first, 'exit');
  first.kill('SIGKILL');
  await gone;
  rmSync(join(house.fleet, 'authority'), { recursive: true });
  await standby.line(/^authority listening/);
  // The gate may have been without a lease meanwhile.
  const judged = async (id: string) => {
    for (;;) {
      const status = await send(id);
      if (status !== 503) return status;
      await after(100);
    }
  };
  assert.equal(await judged('between'), 202);
  const [token] = await house.json<{ token: string }>('token', 'create', 'truck-2');
  await enrol({ token: token?.token ?? '', directory: join(house.home, 'truck-2') });
  assert.equal((await house.change('certificate', 'revoke', 'truck-1', '--reason', 'stolen')).confirmed, true);
  assert.equal(await judged('after'), 403);
  assert.equal((await house.portcullis('status')).status, 0);

  const revoked = await house.portcullis('authority', 'revoke', 'second', '--reason', 'it is replaced');
  assert.match(revoked.error, /still holds the issuers' keys/);
  // It led until then.
  if (standby.process.exitCode === null) await once(standby.process, 'exit');
  const { status, error } = await finished('portcullis', 'start', 'authority', there);
  assert.match(error, /"second" was revoked.*may not lead \(subject_retired\)/);
  assert.equal(status, 1);
});
