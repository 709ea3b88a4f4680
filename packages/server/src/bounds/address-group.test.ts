import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressGroup } from './bounds.ts';

const rows: [address: string, group: string][] = [
  ['192.0.2.7', '192.0.2.7'],
  ['::ffff:192.0.2.7', '192.0.2.7'],
  ['::FFFF:192.0.2.7', '192.0.2.7'],
  ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
  ['2001:db8:1:2::6', '2001:db8:1:2::/64'],
  ['2001:0DB8:0001:0002::', '2001:db8:1:2::/64'],
  ['2001:db8::1', '2001:db8:0:0::/64'],
  ['2001:db8:1:3::6', '2001:db8:1:3::/64'],
  ['fe80::1%eth0', 'fe80:0:0:0::/64'],
  ['::1', '0:0:0:0::/64'],
  ['1:2:3::10.0.0.1', '1:2:3:0::/64'],
  ['', ''],
];
for (const [address, group] of rows) {
  test(`${address || 'no address'} is of ${group || 'none'}`, () => assert.equal(addressGroup(address), group));
}
