/** What of a shipment leaves the house on paper and in files: its label, its plot, and its EPCIS document. */
import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { Ajv } from 'ajv';
import addFormats from 'ajv-formats';
import { succeeded } from '../../../../../tools/commands.ts';
import type { EpcisDocument } from '../../../src/trade/trade.ts';
import { decided, eventually, House, type Pem, readingsUrl } from '../../house.ts';
import { Operator } from '../../operator.ts';

const rule = `rule: cold-chain
streams: [telemetry]
about: attributes.shipment
outside: reading.temperature > 8.0
for: 1s
on: { breach: { cold_chain: broken } }
`;
const lane = `journey: lane
steps:
  - { name: factory, by: { role: factory } }
  - { name: delivered, by: { role: clinic }, final: true }
`;
const epcis = join(import.meta.dirname, '../../../../../test/conformance/epcis-2.0/EPCISDocument.schema.json');
const url = 'https://scan.example';

let house: House;
let operator: Operator;
let tracker: Pem;
before(async () => {
  house = await House.open((made) => {
    for (const folder of ['rules', 'journeys']) mkdirSync(join(made.fleet, folder));
    writeFileSync(join(made.fleet, 'rules/cold-chain.yaml'), rule);
    writeFileSync(join(made.fleet, 'journeys/lane.yaml'), lane);
    appendFileSync(join(made.fleet, 'fleet.yaml'), 'attributes:\n  role: string\n');
  });
  operator = new Operator(house.fleet);
  tracker = await operator.enrolled('tracker-1', join(house.home, 'tracker-1'), { status: 'active' });
});
after(async () => {
  operator?.close();
  await house?.close();
});

interface Created {
  code: string;
}
interface Label {
  url: string;
  statement: string | null;
  svg: string;
}

const create = async (id: string, ...words: string[]) => {
  const [made] = await house.json<Created>('shipment', 'create', id, '--journey', 'lane', ...words);
  return made?.code as string;
};
const labelOf = async (id: string, code: string) => {
  const [label] = await house.json<Label>('shipment', 'label', id, '--code', code, '--url', url);
  return label as Label;
};

test('1. a shipment without a tracker has a label whose statement anybody checks with the root alone', async () => {
  const code = await create('load-7', '--attribute', 'sscc:="106141412345678908"');
  const label = await labelOf('load-7', code);
  assert.equal(label.url, `${url}/00/106141412345678908?code=${code}#load-7`);
  const file = join(house.home, 'load-7.jws');
  writeFileSync(file, label.statement ?? '');
  const root = join(house.fleet, 'root.pem');
  const said = JSON.parse(await succeeded('portcullis-device', 'verify', file, '--root', root, '--json'));
  const { shipment, journey, sscc } = said as Record<string, string>;
  assert.deepEqual([shipment, journey, sscc], ['load-7', 'lane', '106141412345678908']);
  assert.equal(label.svg.match(/<path/g)?.length, 2, 'the symbol of the address, and that of the statement');
  const [row] = await house.json<{ purpose: string }>('certificate', 'list', '--subject', 'load-7');
  assert.equal(row?.purpose, 'label');
});

test('2. one with a tracker has the address alone; a wrong number and a wrong code are refused by their names', async () => {
  const label = await labelOf('load-9', await create('load-9', '--tracker', 'tracker-1'));
  assert.equal(label.statement, null);
  assert.match(label.url, /^https:\/\/scan\.example\/v\/[0-9A-Z]{32}#load-9$/);
  const code = await create('load-8', '--attribute', 'sscc:="106141412345678900"');
  const wrong = await house.portcullis('shipment', 'label', 'load-8', '--code', code, '--url', url);
  assert.match(wrong.error, /"sscc" is "106141412345678900", which is no such number with a right check digit/);
  const coded = await house.portcullis('shipment', 'label', 'load-8', '--code', 'x', '--url', url);
  assert.deepEqual([coded.status, /not a public code/.test(coded.error)], [2, true], coded.error);
});

test('3. it gets warm: the plot has the curve, the breach and the steps', async () => {
  await house.json('arrival', 'declare', 'load-9', 'factory', '--arrival', 'a-1', '--reason', 'the phone was flat');
  const send = async (temperature: number) => {
    const { status, body } = await decided(readingsUrl(house), tracker, JSON.stringify({ temperature }));
    assert.equal(status, 202, body);
  };
  await send(5);
  await eventually(async () => {
    await send(12);
    return (await house.json('breach', 'list')).length > 0;
  }, 'there is a breach');
  const plotted = ['shipment', 'plot', 'load-9', '--low', '2', '--high', '8'];
  const [drawn] = await house.json<{ readings: number; svg: string }>(...plotted);
  assert.ok(drawn && drawn.readings > 1);
  assert.match(drawn.svg, /temperature between 5 and 12 °C; bounds 2 to 8; step factory at .*; breach/);
});

test('4. what happened fits the schema of EPCIS 2.0: arrivals, the breach, and what was corrected', async () => {
  await house.json(
    'arrival',
    'declare',
    'load-9',
    'factory',
    '--arrival',
    'a-2',
    '--replaces',
    'a-1',
    '--reason',
    'so',
  );
  const [document] = await house.json<EpcisDocument>('shipment', 'export', 'load-9', '--epcis');
  const ajv = new Ajv({ strict: true, strictRequired: false, allErrors: true });
  addFormats.default(ajv);
  const isValid = ajv.compile(JSON.parse(readFileSync(epcis, 'utf8')));
  assert.ok(isValid(document), ajv.errorsText(isValid.errors));
  const events = document?.epcisBody.eventList ?? [];
  const said = events.map((event) => event['portcullis:step'] ?? event['portcullis:breachOf']);
  assert.deepEqual(said.toSorted(), ['cold-chain', 'factory', 'factory', 'factory']);
  const declared = events.filter((event) => event['portcullis:declaredBy'] && !event.errorDeclaration).at(-1);
  const corrected = events.find(({ errorDeclaration }) => errorDeclaration);
  assert.deepEqual(corrected?.errorDeclaration?.correctiveEventIDs, [declared?.eventID]);
});
