import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PortcullisError } from '@portcullis/contract';
import { alertBytesMax } from '../judge.ts';
import type { Delivery, SignalAlert } from './delivery.ts';
import { readDelivery } from './read-delivery.ts';

const bytes = (body: unknown) => Buffer.from(typeof body === 'string' ? body : JSON.stringify(body));

/** As Alertmanager 0.25 sent it. */
const firing = {
  status: 'firing',
  labels: { alertname: 'TooWarm', device: 'sensor-7', severity: 'critical' },
  annotations: { summary: 'above 8 °C' },
  startsAt: '2026-11-27T10:00:38.5Z',
  endsAt: '0001-01-01T00:00:00Z',
  generatorURL: 'http://prometheus:9090/graph',
  fingerprint: '3f8c1f7d5f8d1c1e',
};
const envelope = (alerts: unknown, more: object = {}) => ({
  ...{ receiver: 'portcullis', status: 'firing', groupLabels: {}, commonLabels: {}, commonAnnotations: {} },
  ...{ externalURL: 'http://alertmanager:9093', version: '4', groupKey: '{}:{a="1"}', truncatedAlerts: 0 },
  ...{ alerts, ...more },
});
const read = (body: unknown) => readDelivery('alertmanager', {}, bytes(body));
const first = ({ alerts }: Delivery) => alerts[0] as SignalAlert;

describe('alertmanager', () => {
  test('an alert is read as it was sent, times to the nanosecond, and no end where it has none', () => {
    const delivery = read(envelope([firing]));
    assert.deepEqual(delivery, {
      format: 'alertmanager',
      truncated: 0,
      warnings: [],
      alerts: [
        {
          key: '3f8c1f7d5f8d1c1e',
          status: 'firing',
          startsAt: 1_795_773_638_500_000_000n,
          endsAt: null,
          labels: firing.labels,
          annotations: firing.annotations,
        },
      ],
    });
  });

  test('entries are judged by their own status, never by that of the list, which may be cut', () => {
    const seen = envelope([{ ...firing, status: 'resolved' }, firing], { status: 'resolved', truncatedAlerts: 1 });
    const delivery = read(seen);
    assert.deepEqual(
      delivery.alerts.map(({ status }) => status),
      ['resolved', 'firing'],
    );
    assert.equal(delivery.truncated, 1);
    assert.match(delivery.warnings.join('\n'), /left out 1 alerts; its "max_alerts" must be 0/);
    assert.match(delivery.warnings.join('\n'), /one delivery holds 2 alerts.*group_by: \['\.\.\.'\]/);
  });

  const bad: [string, object, RegExp][] = [
    ['NUL in a label', { labels: { device: 'sensor\0' } }, /"device" holds NUL or U\+FFFD/],
    ['what was not UTF-8', { annotations: { summary: 'too \uFFFD warm' } }, /"summary" holds NUL or U\+FFFD/],
    ['NUL in the name of a label', { labels: { 'a\0b': 'x' } }, /"a\?b" holds NUL/],
    ['a fingerprint that is unsound', { fingerprint: 'a\0' }, /"key" holds NUL/],
    ['no fingerprint', { fingerprint: undefined }, /"fingerprint"/],
    ['another status', { status: 'pending' }, /"status"/],
    ['a label that is no text', { labels: { device: 7 } }, /"labels.device"/],
    ['a time that is none', { startsAt: 'yesterday' }, /"startsAt" is no time/],
    ['an end that is none', { endsAt: '2026-02-30T00:00:00Z' }, /"endsAt" is no time/],
    ['labels without end', { labels: { device: 'x'.repeat(1_000_000) } }, /have 1000\d+ bytes; 49152 are allowed/],
    ['a key without end', { fingerprint: 'x'.repeat(513) }, /longer than 512/],
  ];
  for (const [what, change, why] of bad) {
    test(`${what}: that one is refused, and those beside it are taken`, () => {
      const { alerts } = read(envelope([firing, { ...firing, ...change }, 7, firing]));
      assert.deepEqual(
        alerts.map(({ bad }) => bad !== undefined),
        [false, true, true, false],
      );
      assert.match(alerts[1]?.bad ?? '', why);
      assert.notEqual(alerts[1]?.key, '');
      assert.equal(alerts[2]?.key, 'entry 3');
    });
  }

  test('a label that is named as JavaScript names its prototypes names nothing', () => {
    const { labels } = first(read(JSON.stringify(envelope([firing])).replace('"device"', '"\\u005f_proto__"')));
    assert.deepEqual(Object.keys(labels), ['alertname', 'severity']);
    assert.equal(Object.getPrototypeOf(labels), Object.prototype);
  });

  test('a long text for people is shortened, and the alert cuts all the same', () => {
    const alert = first(read(envelope([{ ...firing, annotations: { summary: 'x'.repeat(1_000_000) } }])));
    assert.equal(alert.bad, undefined);
    assert.equal(alert.annotations.summary?.length, 2_049);
  });

  test('however long its texts for people are, an alert stays within what conditions look at, and has each of them', () => {
    const most = 'x'.repeat(49_000);
    for (const unit of ['x', '"', '€', '\u0001', '😀']) {
      for (const count of [1, 16, 64, 500]) {
        const texts = Array.from({ length: count }, (_, index) => [`text_${index}`, unit.repeat(4_000)]);
        const given = { ...firing, labels: { device: most }, annotations: Object.fromEntries(texts) };
        const alert = first(read(envelope([{ ...given, fingerprint: '€'.repeat(512) }])));
        assert.equal(alert.bad, undefined);
        const { startsAt: _startsAt, endsAt: _endsAt, ...facts } = alert;
        const bytes = Buffer.byteLength(
          JSON.stringify({ ...facts, startsAt: firing.startsAt, endsAt: firing.startsAt }),
        );
        assert.ok(bytes <= alertBytesMax, `${bytes} bytes`);
        assert.equal(Object.keys(alert.annotations).length, Math.min(64, count));
        assert.ok(Object.values(alert.annotations).every((text) => text.isWellFormed() && text.length > 1));
      }
    }
  });

  test('what the envelope says beside its list stands in nobody’s way', () => {
    const odd = read(envelope([firing], { version: 4, truncatedAlerts: 'none', groupKey: 7 }));
    assert.equal(first(odd).bad, undefined);
  });

  test('null stands for what is empty, and a later version is read as far as it fits', () => {
    assert.deepEqual(read(envelope(null)).alerts, []);
    assert.deepEqual(first(read(envelope([{ ...firing, annotations: null }]))).annotations, {});
    const later = read(envelope([firing], { version: '5' }));
    assert.equal(first(later).bad, undefined);
    assert.match(later.warnings.join(), /version "5"/);
  });

  const refused: [string, string | Buffer, RegExp][] = [
    ['no JSON', '{', /^body: /],
    ['no object', '[]', /Alertmanager’s webhook/],
    ['no list', '{"alerts":{}}', /Alertmanager’s webhook/],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0x22]), /not UTF-8/],
    ['a member twice', '{"alerts":[],"alerts":[]}', /stands twice/],
  ];
  for (const [what, body, why] of refused) {
    test(`${what}: nothing of it can be read, now or later`, () => {
      assert.throws(() => readDelivery('alertmanager', {}, Buffer.from(body)), {
        code: 'request_malformed',
        message: why,
      });
    });
  }

  test('more entries than anybody sends are refused before they are judged', () => {
    assert.throws(() => read(envelope(Array.from({ length: 20_001 }, () => 1))), { code: 'request_too_large' });
  });
});

test('grafana: the example of its documentation', () => {
  const body = {
    receiver: 'My Super Webhook',
    status: 'firing',
    orgId: 1,
    alerts: [
      {
        status: 'firing',
        labels: { alertname: 'High memory usage', team: 'blue', zone: 'us-1' },
        annotations: { summary: 'This alert was triggered for zone us-1' },
        startsAt: '2021-10-12T09:51:03.157076+02:00',
        endsAt: '0001-01-01T00:00:00Z',
        generatorURL: 'https://play.grafana.org/alerting/1afz29v7z/edit',
        fingerprint: 'c6eadffa33fcdf37',
        silenceURL: 'https://play.grafana.org/alerting/silence/new?alertmanager=grafana',
        dashboardURL: '',
        panelURL: '',
        values: { B: 44.23943737541908, C: 1 },
      },
    ],
    ...{ groupLabels: {}, commonLabels: { team: 'blue' }, commonAnnotations: {} },
    ...{ externalURL: 'https://play.grafana.org/', version: '1', groupKey: '{}:{}', truncatedAlerts: 0 },
    ...{ title: '[FIRING:1]', state: 'alerting', message: '**Firing**' },
  };
  const delivery = readDelivery('grafana', {}, bytes(body));
  assert.deepEqual(delivery.warnings, []);
  const { key, startsAt, endsAt, labels, bad } = first(delivery);
  assert.deepEqual(
    { key, startsAt, endsAt, bad },
    {
      key: 'c6eadffa33fcdf37',
      startsAt: 1_634_025_063_157_076_000n,
      endsAt: null,
      bad: undefined,
    },
  );
  assert.equal(labels.zone, 'us-1');
});

describe('json', () => {
  const readJson = (body: unknown, headers = {}) => readDelivery('json', headers, bytes(body));

  test('an object, with all that an alert needs', () => {
    const body = {
      ...{ key: 'door-3', status: 'resolved', startsAt: '2026-11-27T10:00:00Z', endsAt: '2026-11-27T10:05:00Z' },
      ...{ labels: { device: 'sensor-7' }, annotations: { summary: 'open' }, data: { door: 3 } },
    };
    const alert = first(readJson(body));
    assert.deepEqual(alert, {
      key: 'door-3',
      status: 'resolved',
      startsAt: 1_795_773_600_000_000_000n,
      endsAt: 1_795_773_900_000_000_000n,
      labels: { device: 'sensor-7' },
      annotations: { summary: 'open' },
      event: { id: 'door-3', source: 'json', type: 'signal', data: { door: 3 } },
    });
  });

  test('the payload of Standard Webhooks: the id of the message is its key, and nothing that is not "resolved" lifts', () => {
    const body = { type: 'door.opened', timestamp: '2026-11-27T10:00:00Z', status: 'closed', data: { door: 3 } };
    const { key, status, event, startsAt } = first(readJson(body, { 'webhook-id': 'msg_1' }));
    assert.deepEqual({ key, status }, { key: 'msg_1', status: 'firing' });
    assert.equal(startsAt, 1_795_773_600_000_000_000n);
    const time = '2026-11-27T10:00:00Z';
    assert.deepEqual(event, { id: 'msg_1', source: 'json', type: 'door.opened', time, data: { door: 3 } });
  });

  test('an object of any other shape is its own data; a list is judged one by one', () => {
    const { alerts } = readJson([{ id: 'a', level: 0 }, { level: 1 }, { id: 'c', endsAt: 'never' }, 'x', { id: 'e' }]);
    assert.deepEqual(alerts[0]?.event?.data, { id: 'a', level: 0 });
    assert.deepEqual(
      alerts.map(({ bad }) => bad !== undefined),
      [false, true, true, true, false],
    );
    assert.match(alerts[1]?.bad ?? '', /neither "key" nor "id"/);
  });

  test('a value that is nothing is refused as a whole', () => {
    for (const body of ['7', 'null', '"x"'])
      assert.throws(() => readDelivery('json', {}, Buffer.from(body)), PortcullisError);
  });

  test('data that no condition could take is refused for that entry', () => {
    const alert = first(readJson({ id: 'a', data: 'x'.repeat(60_000) }));
    assert.match(alert.bad ?? '', /are allowed/);
  });
});
