import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';
import { patienceMs } from '../../../../../test/patience.ts';
import { alertMessage, raisedAt, toldAlert, within } from '../../../test/alert-message.ts';
import { alertmanager } from './alertmanager.ts';

test('one alert a POST, with both of its ends: a lease while it lasts, its end once it is over', async (context) => {
  const got: [string, unknown][] = [];
  const server = createServer(async (request, answer) => {
    const pieces: Buffer[] = [];
    for await (const piece of request) pieces.push(piece as Buffer);
    got.push([request.url ?? '', JSON.parse(Buffer.concat(pieces).toString())]);
    answer.writeHead(200).end();
  });
  context.after(() => server.close());
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const url = new URL(`http://127.0.0.1:${(server.address() as { port: number }).port}/alerts/`);
  const now = () => raisedAt + 30_000;
  const told = alertmanager({ fleet: 'fleet-1', url, allowPrivate: true, leaseMs: 180_000, now });
  const ends = [null, raisedAt + 10_000, raisedAt - 1];
  for (const settledAt of ends)
    await told.tell(alertMessage({ alerts: [toldAlert({ settledAt })] }), within(patienceMs));
  await told.tell(alertMessage({ alerts: [toldAlert({ subject: null })] }), within(patienceMs));
  const alerts = got.map(([path, body]) => {
    assert.equal(path, '/alerts/api/v2/alerts');
    const [alert, ...others] = body as [Record<string, Record<string, string>>];
    assert.deepEqual(others, []);
    return alert;
  });
  assert.deepEqual(alerts[0], {
    labels: {
      ...{ alertname: 'portcullis_breach', fleet: 'fleet-1', severity: 'critical', subject: 'load-1' },
      key: 'cold-chain load-1',
    },
    annotations: {
      ...{ summary: 'load-1 was warm for 12 minutes', description: 'readings were outside of a rule for too long' },
      ...{ alert: 'alert-1', detail: '{"rule":"cold-chain"}' },
    },
    ...{ startsAt: '2030-01-01T12:00:00.000Z', endsAt: '2030-01-01T12:03:30.000Z' },
  });
  assert.deepEqual(
    alerts.map(({ endsAt }) => endsAt),
    ['2030-01-01T12:03:30.000Z', '2030-01-01T12:00:10.000Z', '2030-01-01T12:00:00.001Z', '2030-01-01T12:03:30.000Z'],
  );
  assert.equal('subject' in (alerts[3]?.labels ?? {}), false);
});
