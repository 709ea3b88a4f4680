import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { epcisDocument, type Trace } from './epcis.ts';
import { prehashOf } from './event-hash.ts';

const schemaFile = join(import.meta.dirname, '../../../../test/conformance/epcis-2.0/EPCISDocument.schema.json');
const ajv = new Ajv({ strict: true, strictRequired: false, allErrors: true });
addFormats.default(ajv);
const isValid = ajv.compile(JSON.parse(readFileSync(schemaFile, 'utf8')));
const at = (text: string) => Date.parse(`2026-11-27T${text}Z`);

const trace: Trace = {
  fleet: 'lane',
  shipment: 'load-7',
  item: { sscc: '106141412345678908' },
  arrivals: [
    {
      arrival: 'a1',
      step: 'factory',
      at: at('08:00:00'),
      by: { subject: 'factory-fr', gln: '6291041500213' },
      isFinal: false,
    },
    {
      arrival: 'a2',
      step: 'pickup',
      at: at('09:00:00.5'),
      by: { subject: 'truck-1' },
      isFinal: false,
      voided: { at: at('12:00:00'), reason: 'wrong load' },
    },
    {
      arrival: 'a3',
      step: 'pickup',
      at: at('09:30:00'),
      by: { subject: 'ann' },
      isFinal: false,
      declared: { reason: 'the driver rang' },
      replaces: 'a2',
    },
    { arrival: 'a4', step: 'delivered', at: at('20:00:00'), by: { subject: 'clinic' }, isFinal: true },
  ],
  breaches: [{ rule: 'cold-chain', at: at('10:10:00'), from: at('10:00:00'), until: at('11:00:00') }],
};

test('a load in all that can happen to it fits the schema of EPCIS 2.0', () => {
  const document = epcisDocument(trace, at('21:00:00'));
  assert.ok(isValid(document), ajv.errorsText(isValid.errors));
  const steps = document.epcisBody.eventList.map((event) => event['portcullis:step'] ?? event['portcullis:breachOf']);
  assert.deepEqual(steps, ['factory', 'pickup', 'pickup', 'cold-chain', 'delivered', 'pickup']);
  const empty = epcisDocument({ ...trace, arrivals: [], breaches: [], item: undefined }, at('21:00:00'));
  assert.ok(isValid(empty), ajv.errorsText(isValid.errors));
});

test('what does not fit the schema is seen', () => {
  const document = epcisDocument(trace, at('21:00:00'));
  const [first] = document.epcisBody.eventList;
  assert.ok(!isValid({ ...document, epcisBody: { eventList: [{ ...first, bizStep: 'arrived' }] } }));
  assert.ok(!isValid({ ...document, epcisBody: { eventList: [{ ...first, step: 'factory' }] } }));
});

test('an event is called by the hash of what it says, as the rules of the vocabulary write it', () => {
  const [first] = epcisDocument(trace, at('21:00:00')).epcisBody.eventList;
  assert.ok(first);
  const written =
    'eventType=ObjectEventeventTime=2026-11-27T08:00:00.000ZeventTimeZoneOffset=+00:00' +
    'epcListepc=https://id.gs1.org/00/106141412345678908action=OBSERVE' +
    'bizStep=https://ref.gs1.org/cbv/BizStep-arrivingdisposition=https://ref.gs1.org/cbv/Disp-in_transit' +
    'readPointid=https://id.gs1.org/414/6291041500213bizLocationid=https://id.gs1.org/414/6291041500213' +
    '{urn:portcullis:epcis:}checkpoint=factory-fr{urn:portcullis:epcis:}step=factory';
  assert.equal(prehashOf(first, { portcullis: 'urn:portcullis:epcis:' }), written);
  assert.equal(first.eventID, `ni:///sha-256;${createHash('sha256').update(written).digest('hex')}?ver=CBV2.0`);
});

test('a voided arrival stays as it was, and comes again under its id with the error and what stands for it', () => {
  const events = epcisDocument(trace, at('21:00:00')).epcisBody.eventList;
  const [original, declared] = events.filter((event) => event['portcullis:step'] === 'pickup');
  const correction = events.find(({ errorDeclaration }) => errorDeclaration);
  assert.ok(original && declared && correction);
  const { errorDeclaration, ...rest } = correction;
  assert.deepEqual(rest, original);
  assert.deepEqual(errorDeclaration, {
    declarationTime: '2026-11-27T12:00:00.000Z',
    reason: 'incorrect_data',
    correctiveEventIDs: [declared.eventID],
    'portcullis:reason': 'wrong load',
  });
  const alone = { ...trace, arrivals: trace.arrivals.filter(({ declared: said }) => !said) };
  const [last] = epcisDocument(alone, at('21:00:00')).epcisBody.eventList.slice(-1);
  assert.equal(last?.errorDeclaration?.reason, 'did_not_occur');
});

test('no text is one that an implementation takes for a number, a time or a link', () => {
  const stepOf = (step: string) => {
    const [arrival] = trace.arrivals;
    assert.ok(arrival);
    const document = epcisDocument({ ...trace, arrivals: [{ ...arrival, step }] }, at('21:00:00'));
    return document.epcisBody.eventList[0]?.['portcullis:step'];
  };
  assert.equal(stepOf('export-customs'), 'export-customs');
  assert.equal(stepOf('  two\n words '), 'two words');
  for (const name of [
    '007',
    '1e3',
    '2026-11-27T08:00:00Z',
    'urn:epc:id:sscc:0614141.1234567890',
    '#x',
    '-1',
    '',
    'it was 7',
    'Jan 5 2026 10:00:00 GMT',
  ])
    assert.equal(stepOf(name), `"${name}" is said`);
});
