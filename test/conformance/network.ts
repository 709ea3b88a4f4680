/** The blocks of docs/operating/network.md, from first to last, on three machines made of network namespaces. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { textOf } from '../tree.ts';
import { skippedWithout } from './house.ts';
import { canMakeMachines, Machines } from './machines.ts';

const page = 'docs/operating/network.md';
const names = ['hub', 'depot', 'truck-17'];
const skip = skippedWithout(canMakeMachines(), 'root, ip (Debian: iproute2) and nft (Debian: nftables)');

interface Block {
  on: string[];
  background: boolean;
  text: string;
}

function blocks(): Block[] {
  return [...textOf(page).matchAll(/```sh ([^\n]+)\n([\s\S]*?)```/g)].map(([, words = '', text = '']) => {
    const marks = words.split(' ');
    return { on: marks.filter((mark) => names.includes(mark)), background: marks.includes('background'), text };
  });
}

let machines: Machines;
const stops: (() => Promise<void>)[] = [];
before(() => {
  if (skip === false) machines = new Machines(names);
});
after(() => machines?.[Symbol.asyncDispose]());

function demand(name: string, script: string): string {
  const { status, said } = machines.run(name, script);
  assert.equal(status, 0, `on ${name}: ${script}\n${said}`);
  return said;
}

async function runBlock({ on, background, text }: Block): Promise<void> {
  // There is no registry on these machines: the commands are on the path. A machine's hosts file is where its namespace has it.
  const script = text.replaceAll(/\bnpx (portcullis)/g, '$1');
  for (const name of on) {
    if (background) stops.push(await machines.stay(name, script.trim(), /listening on/, / up\b/.test(script) ? 3 : 1));
    else demand(name, script.replaceAll('/etc/hosts', machines.hostsOf(name)));
  }
}

/** Whether a connection is opened at all; a firewall that drops lets it wait. */
const opens = (from: string, address: string, port: number) =>
  machines.run(from, `timeout 5 bash -c '</dev/tcp/${address}/${port}'`).status === 0;

test('every block of the page names its machines, and works on them', { skip }, async () => {
  const all = blocks();
  assert.ok(all.length > 8 && all.every(({ on }) => on.length > 0));
  for (const block of all) await runBlock(block);
});

test('the firewall lets in what the table says, and nothing else', { skip }, () => {
  assert.ok(opens('depot', 'hub.example.org', 8440), 'a gate reaches the API');
  assert.ok(opens('depot', 'hub.example.org', 8448), 'a gate reaches where it renews');
  assert.ok(opens('truck-17', 'hub.example.org', 8441), 'a device reaches enrolment');
  assert.ok(opens('truck-17', 'hub.example.org', 8442), 'anybody looks up');
  assert.ok(opens('truck-17', 'depot.example.org', 8443), 'a device reaches a gate');
  for (const port of [8440, 8448]) assert.equal(opens('truck-17', 'hub.example.org', port), false);
  assert.equal(machines.run('hub', "timeout 5 bash -c '</dev/tcp/127.0.0.1/8440'").status, 0);
});

const change = (status: string) =>
  JSON.parse(demand('hub', `portcullis attribute set truck-17 status=${status} --wait --json`)) as {
    confirmed: boolean;
    gates: { gate: string; outcome: string }[];
  };

test('a change is confirmed by both gates, and holds at both', { skip }, () => {
  const receipt = change('off');
  assert.deepEqual(receipt.gates.map(({ gate }) => gate).toSorted(), ['gate-1', 'gate-2']);
  assert.equal(receipt.confirmed, true);
  const refused = machines.run('truck-17', `echo '{"n":1}' | portcullis-device send telemetry --wait 2`);
  assert.equal(refused.status, 1, refused.said);
  change('active');
  demand('truck-17', 'portcullis-device send telemetry /dev/null --wait 60');
});

test('with the network of one gate cut, the device gets through by the other, and a change still ends', {
  skip,
}, () => {
  machines.cable('depot', 'down');
  try {
    demand('truck-17', `echo '{"n":2}' | portcullis-device send telemetry --wait 90`);
    const receipt = change('off');
    assert.equal(receipt.confirmed, true);
    assert.equal(receipt.gates.find(({ gate }) => gate === 'gate-2')?.outcome === 'applied', false);
    change('active');
  } finally {
    machines.cable('depot', 'up');
  }
});

test('with one gate stopped, the device gets through by the other', { skip }, async () => {
  await stops.at(-1)?.();
  demand('truck-17', `echo '{"n":3}' | portcullis-device send telemetry --wait 90`);
});

/** A token of the hub that says that the hub is elsewhere, and what enrolling with it on a machine says. */
function enrolAt(url: string, on: string): string {
  const script = `portcullis token create truck-18 > t
    node -e 'const token = JSON.parse(Buffer.from(require("fs").readFileSync("t", "utf8"), "base64url"));
      token.url = process.argv[1];
      process.stdout.write(Buffer.from(JSON.stringify(token)).toString("base64url"))' ${url} > u
    scp u ${on}.example.org:`;
  demand('hub', script);
  const { status, said } = machines.run(on, 'portcullis-device enrol @u --device ./other');
  assert.equal(status, 1);
  return said;
}

for (const [what, url, on, words] of [
  ['a name that the certificate does not have', 'https://10.77.0.1:8441', 'truck-17', 'Hostname/IP does not match'],
  ['a name that nobody knows', 'https://nowhere.example.org:8441', 'truck-17', 'EAI_AGAIN'],
  ['a port where nothing listens', 'https://127.0.0.1:8441', 'truck-17', 'ECONNREFUSED'],
] as const) {
  test(`${what} is told in the words of the page`, { skip }, () => {
    assert.ok(textOf(page).includes(words));
    assert.ok(enrolAt(url, on).includes(words));
  });
}
