/** One of several authorities leads: whoever has their addresses finds it, and what was begun is not asked a second time. */
import assert from 'node:assert/strict';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, type TestContext, test } from 'node:test';
import { localNames, makeTestFleet, TestAuthority } from '../../test/certificates.ts';
import { startServer } from '../../test/servers.ts';
import { Link } from './link.ts';

const fleet = makeTestFleet();
const pair = fleet.infrastructureIssuer.issue({
  uri: 'authority/authority',
  alternatives: localNames,
  purposes: ['serverAuth'],
});
const issuer = fleet.infrastructureIssuer.certificate;
const leads = () => ({ status: 200, body: { leads: true } });
const problem = (reason: string) => () => ({
  status: 503,
  body: { type: 'about:blank', title: 'another leads', status: 503, reason },
});

const start = (answer: Parameters<typeof startServer>[1]) =>
  startServer({ key: pair.key, cert: pair.certificate + issuer }, answer);

function linkTo(...addresses: string[]): Link {
  const link = new Link({ roots: fleet.root.certificate, fleet: 'plant', role: 'authority', addresses });
  after(() => link.close());
  return link;
}

/** Where nothing listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `https://localhost:${port}`;
}

/** Takes connections and says nothing, as a machine does that stands still. */
async function silentPort(context: TestContext): Promise<string> {
  const held: Socket[] = [];
  const server = createServer((socket) => held.push(socket)).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  context.after(() => {
    for (const socket of held) socket.destroy();
    server.close();
  });
  return `https://localhost:${(server.address() as AddressInfo).port}`;
}

const asked = (url: string) => ({ url: `${url}/v1/changes`, method: 'POST' as const, body: '{}' });

test('where nobody listens the next is asked, and from then on that one first', async () => {
  const first = await closedPort();
  const second = await start(leads);
  const link = linkTo(first, second.url);
  assert.equal((await link.request(asked(first))).status, 200);
  assert.equal((await link.request(asked(first))).status, 200);
  assert.deepEqual(
    second.requests.map(({ path }) => path),
    ['/v1/changes', '/v1/changes'],
  );
  assert.equal(new Set(second.requests.map(({ socket }) => socket)).size, 1);
});

for (const reason of ['not_leader', 'authority_stopping']) {
  test(`one that answers ${reason} is left for the next; where all do, that is the answer`, async () => {
    const standby = await start(problem(reason));
    const leader = await start(leads);
    assert.equal((await linkTo(standby.url, leader.url).request(asked(standby.url))).status, 200);
    const other = await start(problem(reason));
    assert.equal((await linkTo(standby.url, other.url).request(asked(standby.url))).status, 503);
    assert.deepEqual([standby.requests.length, other.requests.length, leader.requests.length], [2, 1, 1]);
  });
}

test('what another 503 says is the answer: nobody else is asked for that', async () => {
  const first = await start(problem('store_unavailable'));
  const second = await start(leads);
  assert.equal((await linkTo(first.url, second.url).request(asked(first.url))).status, 503);
  assert.equal(second.requests.length, 0);
});

test('one that stands still costs its patience and no more', async (context) => {
  const first = await silentPort(context);
  const second = await start(leads);
  assert.equal((await linkTo(first, second.url).request(asked(first))).status, 200);
});

test('what was begun is not asked again by itself: nobody knows how it ended; what comes next goes elsewhere', async () => {
  const first = await start(() => 'break');
  const second = await start(leads);
  const link = linkTo(first.url, second.url);
  await assert.rejects(link.request(asked(first.url)), { code: 'server_unreachable' });
  assert.equal(second.requests.length, 0);
  assert.equal((await link.request(asked(first.url))).status, 200);
});

test('P2: whoever is at an address and is not the authority is told nothing, and the next is asked', async () => {
  const poser = new TestAuthority('poser').issue({
    uri: 'authority/authority',
    alternatives: localNames,
    purposes: ['serverAuth'],
  });
  const first = await startServer({ key: poser.key, cert: poser.certificate }, leads);
  const second = await start(leads);
  assert.equal((await linkTo(first.url, second.url).request(asked(first.url))).status, 200);
  assert.equal(first.applicationBytes(), 0);
});

test('where none is there, all are named', async () => {
  const [first, second] = [await closedPort(), await closedPort()];
  await assert.rejects(linkTo(first, second).request(asked(first)), (error: Error) =>
    [first, second].every((url) => error.message.includes(new URL(url).host)),
  );
});

test('a stream is opened where one answers; after a 503 the next one is elsewhere', async (context) => {
  const first = await closedPort();
  const standby = await start(problem('not_leader'));
  const leader = await start(leads);
  const link = linkTo(first, standby.url, leader.url);
  const statuses: (number | undefined)[] = [];
  for (let count = 0; count < 2; count++) {
    const answer = await link.stream({ url: `${first}/v1/feed`, signal: context.signal });
    statuses.push(answer.statusCode);
    answer.destroy();
  }
  assert.deepEqual(statuses, [503, 200]);
});

test('addresses of others are nothing to one that is not among them', async () => {
  const gate = await start(leads);
  const link = linkTo(await closedPort(), await closedPort());
  assert.equal((await link.request(asked(gate.url))).status, 200);
});

test('whoever follows asks next where one that stands by says that it is led, if that address is its own, and once', async () => {
  const redirect = (url: string) => () => ({
    ...problem('not_leader')(),
    status: 307,
    headers: { location: `${url}/v1/changes` },
  });
  const leader = await start(leads);
  const stranger = await start(leads);
  const other = await start(redirect(stranger.url));
  const first = await start(redirect(leader.url));
  const trust = { roots: fleet.root.certificate, fleet: 'plant', role: 'authority' } as const;
  const status = async (addresses: string[], follows: boolean) => {
    const link = new Link({ ...trust, addresses, follows });
    after(() => link.close());
    return (await link.request(asked(addresses[0] as string))).status;
  };
  assert.equal(await status([first.url, other.url, leader.url], true), 200);
  assert.deepEqual([first.requests.length, other.requests.length], [1, 0]);
  // In their order: each is asked, and nobody is who has no part in it.
  assert.equal(await status([first.url, other.url, leader.url], false), 200);
  assert.deepEqual([first.requests.length, other.requests.length], [2, 1]);
  assert.equal(await status([other.url], true), 307);
  assert.equal(await status([other.url, first.url], true), 307);
  assert.equal(stranger.requests.length, 0);
});
