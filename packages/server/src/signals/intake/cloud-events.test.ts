import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { CloudEvent, HTTP } from 'cloudevents';
import type { SignalAlert, SignalHeaders } from './delivery.ts';
import { readDelivery } from './read-delivery.ts';

const structured = { 'content-type': 'application/cloudevents+json; charset=UTF-8' };
const least = { specversion: '1.0', id: 'e-1', source: '/plant/3', type: 'com.example.alarm' };

const read = (headers: SignalHeaders, body: unknown) =>
  readDelivery('cloudevents', headers, Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body)));
const one = (body: object, headers: SignalHeaders = structured) => read(headers, body).alerts[0] as SignalAlert;
const refused = (message: RegExp) => ({ code: 'request_malformed', message });

describe('structured', () => {
  test('an event is an alert that fires: its key is its source and id, its labels are its extensions', () => {
    const event = {
      ...least,
      subject: 'sensor-7',
      time: '2026-11-27T10:00:00.5+01:00',
      level: 3,
      loud: true,
      data: { t: 9 },
    };
    assert.deepEqual(one(event), {
      key: '/plant/3 e-1',
      status: 'firing',
      startsAt: 1_795_770_000_500_000_000n,
      endsAt: null,
      labels: { level: '3', loud: 'true' },
      annotations: {},
      event: {
        ...{ id: 'e-1', source: '/plant/3', type: 'com.example.alarm', subject: 'sensor-7' },
        ...{ time: '2026-11-27T10:00:00.5+01:00', data: { t: 9 } },
      },
    });
  });

  test('two extensions say what is the same trouble, and that it is over', () => {
    const { key, status } = one({ ...least, alertkey: 'door-3', alertstatus: 'resolved' });
    assert.deepEqual({ key, status }, { key: 'door-3', status: 'resolved' });
    assert.throws(() => one({ ...least, alertstatus: 'over' }), refused(/one of \[firing, resolved\]/));
  });

  test('data that is 0, false, an empty text or null stays what it is', () => {
    for (const data of [0, false, '', null, 4.5, 'x', [], {}])
      assert.deepEqual(one({ ...least, data }).event?.data, data);
    assert.equal(one(least).event?.data, null);
  });

  test('bytes are read where they are said to be JSON', () => {
    const bytes = (text: string, type?: string) => ({
      ...least,
      ...(type !== undefined && { datacontenttype: type }),
      data_base64: Buffer.from(text).toString('base64'),
    });
    assert.deepEqual(one(bytes('{"t":9}')).event?.data, { t: 9 });
    assert.deepEqual(one(bytes('{"t":9}', 'application/geo+json; x=y')).event?.data, { t: 9 });
    assert.equal(one(bytes('\x01', 'application/octet-stream')).event?.data, null);
    assert.throws(() => one(bytes('{')), refused(/is not the JSON/));
    assert.throws(() => one({ ...bytes('1'), data: 1 }), refused(/must not be there together/));
    assert.throws(() => one({ ...least, data_base64: '_-' }), refused(/data_base64/));
  });

  const wrong: [string, object, RegExp][] = [
    ['no id', { id: undefined }, /"id"/],
    ['an empty id', { id: '' }, /"id"/],
    ['an id that is no text', { id: 7 }, /"id"/],
    ['no source', { source: undefined }, /"source"/],
    ['a source with a blank', { source: 'a b' }, /"source": must be a URI reference/],
    ['no type', { type: undefined }, /"type"/],
    ['another version', { specversion: '0.3' }, /"specversion": must be "1.0"/],
    ['a time that is none', { time: 'today' }, /"time": must be a time/],
    ['a control character', { subject: 'a\u0007' }, /"subject"/],
    ['a name with capitals', { Level: 'x' }, /a name has a-z and 0-9 alone/],
    ['a name with a hyphen', { 'my-level': 'x' }, /a name has a-z and 0-9 alone/],
    ['an extension that is a list', { level: [1] }, /"level": must be a text/],
    ['an extension that is no whole number', { level: 1.5 }, /"level": must be a text/],
  ];
  for (const [what, change, why] of wrong) {
    test(`${what}: refused, alone as a whole, in a batch by itself`, () => {
      assert.throws(() => one({ ...least, ...change }), refused(why));
      const batch = { 'content-type': 'application/cloudevents-batch+json' };
      const { alerts } = read(batch, [least, { ...least, ...change }, 7, { ...least, id: 'e-2' }]);
      assert.deepEqual(
        alerts.map(({ bad }) => bad !== undefined),
        [false, true, true, false],
      );
      assert.match(alerts[1]?.bad ?? '', why);
    });
  }

  test('what is null is not there', () => {
    assert.deepEqual(one({ ...least, subject: null, time: null, level: null }).labels, {});
  });

  test('a text that was not UTF-8 is refused by itself: its event has a name', () => {
    const alert = one({ ...least, data: { name: 'a\uFFFD' } });
    assert.equal(alert.key, '/plant/3 e-1');
    assert.match(alert.bad ?? '', /"name" holds NUL or U\+FFFD/);
  });
});

describe('binary', () => {
  const headers = { 'ce-specversion': '1.0', 'ce-id': 'e-1', 'ce-source': '/plant/3', 'ce-type': 'alarm' };
  const binary = (more: SignalHeaders, body: string) =>
    read({ ...headers, ...more }, Buffer.from(body)).alerts[0] as SignalAlert;
  const json = { 'content-type': 'application/json' };

  test('attributes are headers, %-encoded; data keeps its type', () => {
    const alert = binary({ ...json, 'ce-subject': 'K%C3%BChlraum %E2%82%AC', 'ce-level': '3' }, '4.5');
    assert.equal(alert.event?.subject, 'Kühlraum €');
    assert.equal(alert.event?.data, 4.5);
    assert.deepEqual(alert.labels, { level: '3' });
    assert.equal(binary({ 'content-type': 'text/plain' }, '4.5').event?.data, '4.5');
    assert.equal(binary({ 'content-type': 'application/octet-stream' }, '4.5').event?.data, null);
    assert.equal(binary({}, '').event?.data, null);
    assert.deepEqual(binary({}, '[0]').event?.data, [0]);
    assert.equal(binary({ ...json, 'ce-subject': '"in \\"quotes\\""' }, '1').event?.subject, 'in "quotes"');
  });

  test('what is no event is refused in words', () => {
    assert.throws(() => read(json, Buffer.from('{}')), refused(/neither application\/cloudevents\+json/));
    assert.throws(() => binary({ ...json, 'ce-id': undefined }, '1'), refused(/twice|"id"/));
    assert.throws(() => binary({ ...json, 'ce-id': ['a', 'b'] }, '1'), refused(/"ce-id" stands there twice/));
    assert.throws(() => binary({ ...json, 'ce-subject': '€' }, '1'), refused(/printable ASCII/));
    assert.throws(() => binary({ ...json, 'ce-subject': '%C3' }, '1'), refused(/not %-encoded UTF-8/));
    assert.throws(() => binary(json, '{'), refused(/body: /));
  });
});

test('what the SDK of CloudEvents writes, structured and binary, is read as it was meant', () => {
  for (const data of [{ t: 9.5, on: false, none: null }, [1, 'é']]) {
    const event = new CloudEvent({
      ...{ id: 'e 1', source: '/plant/3', type: 'alarm', subject: 'sensor-7', alertkey: 'door-3' },
      ...{ datacontenttype: 'application/json', data },
    });
    for (const form of [HTTP.structured(event), HTTP.binary(event)]) {
      const entries = Object.entries(form.headers).map(([name, value]) => [name.toLowerCase(), String(value)]);
      const text = typeof form.body === 'string' ? form.body : JSON.stringify(form.body);
      const [alert] = read(Object.fromEntries(entries), Buffer.from(text)).alerts;
      assert.equal(alert?.bad, undefined);
      assert.equal(alert?.key, 'door-3');
      assert.equal(alert?.event?.subject, 'sensor-7');
      assert.ok(alert?.startsAt !== null);
      assert.deepEqual(alert?.event?.data, data);
    }
  }
});
