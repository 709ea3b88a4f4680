import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { checkDigitOf, placeLink, readDigitalLink, tradeItemOf, tradeLink } from './digital-link.ts';

test('check digits are those of published numbers', () => {
  assert.equal(checkDigitOf('629104150021'), '3'); // the worked example of the GS1 check digit page
  assert.equal(checkDigitOf('10614141234567890'), '8'); // the SSCC of the EPC Tag Data Standard, section 7.2
});

test('a load is called by its item or by its logistic unit, and a wrong number is refused by its name', () => {
  assert.deepEqual(tradeItemOf({ gtin: '6291041500213', serial: 'A/1' }), { gtin: '06291041500213', serial: 'A/1' });
  assert.equal(tradeItemOf({}), undefined);
  for (const [attributes, said] of [
    [{ gtin: '6291041500214', serial: '1' }, /"gtin" is "6291041500214"/],
    [{ gtin: 6291041500213, serial: '1' }, /GS1 numbers are strings/],
    [{ gtin: '6291041500213' }, /"serial" is undefined/],
    [{ gtin: '6291041500213', serial: 'Ä' }, /set 82/],
    [{ gtin: '6291041500213', serial: '..' }, /"serial"/],
    [{ sscc: '106141412345678900' }, /"sscc"/],
  ] as const) {
    assert.throws(() => tradeItemOf(attributes), { code: 'request_malformed', message: said });
  }
});

test('all but unreserved characters of a serial are encoded', () => {
  assert.equal(
    tradeLink({ gtin: '06291041500213', serial: `!"%&'()*+,/:;<=>?` }),
    'https://id.gs1.org/01/06291041500213/21/%21%22%25%26%27%28%29%2A%2B%2C%2F%3A%3B%3C%3D%3E%3F',
  );
  assert.equal(
    tradeLink({ gtin: '06291041500213', serial: 'aZ0-._' }, 'HTTPS://ID.EXAMPLE'),
    'HTTPS://ID.EXAMPLE/01/06291041500213/21/aZ0-._',
  );
});

test('a link that was written is read as it was, whatever the serial', () => {
  const serial = fc.stringMatching(/^[!"%-?A-Z_a-z]{1,20}$/).filter((text) => !/^\.{1,2}$/.test(text));
  fc.assert(
    fc.property(serial, (text) => {
      const link = readDigitalLink(
        tradeLink({ gtin: '06291041500213', serial: text }, 'https://id.example/some/where'),
      );
      assert.deepEqual(link?.identifiers, [
        ['01', '06291041500213'],
        ['21', text],
      ]);
    }),
  );
});

test('links are read that strict readers refuse, and those are refused that are none', () => {
  assert.deepEqual(tradeItemOf({ sscc: '106141412345678908', gtin: null }), { sscc: '106141412345678908' });
  const read = (text: string) => readDigitalLink(text)?.identifiers.flat().join(' ');
  assert.equal(read('HTTPS://ID.EXAMPLE/01/6291041500213/22/2A/10/L/21/S'), '01 06291041500213 22 2A 10 L 21 S');
  assert.equal(read('/414/6291041500213/254/5'), '414 6291041500213 254 5');
  assert.equal(read('https://id.example/8004/6291041500213X'), '8004 6291041500213X');
  const none = [
    '/01/6291041500214',
    '/01/6291041500213/21/S/10/L',
    '/01/6291041500213/21/S/21/T',
    '/01/6291041500213/10/L/235/T',
    '/01/6291041500213/21',
    '/01/6291041500213/21/%E4',
    '/v/code',
    'https://[',
    '/',
  ];
  for (const text of none) assert.equal(read(text), undefined, text);
  assert.equal(readDigitalLink('/01/6291041500213/21/S?code=ABC')?.query.get('code'), 'ABC');
});

test('a place is the link of its location number', () => {
  assert.equal(placeLink('6291041500213'), 'https://id.gs1.org/414/6291041500213');
  assert.throws(() => placeLink('6291041500214'), { code: 'request_malformed' });
});
