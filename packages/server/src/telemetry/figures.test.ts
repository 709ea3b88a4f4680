import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { authorityFigures } from '../api/figures.ts';
import { Requests } from '../api/requests.ts';
import { deskFigures } from '../desk/figures.ts';
import { gateFigures } from '../gate/listeners/metrics.ts';
import { Durations } from './durations.ts';
import { Figures, FiguresListener } from './figures.ts';

const none = () => undefined;
const diskSpace = async () => ({ freeBytes: 1_000, totalBytes: 5_000 });

/** Each process's figures, over parts that only count. */
function everyFigure(): Figures[] {
  const requests = new Requests();
  for (const status of [200, 200, 403]) requests.answered(status);
  const journal = { head: () => ({ position: 9, revision: 7 }) };
  const times = new Durations();
  times.took(12);
  const feed = {
    leases: () => ({ held: 1, expired: 0 }),
    cuts: () => ({ times, waiting: { count: 1, oldestMs: 90 } }),
  };
  const leading = { store: { leads: () => true }, startedAt: 1_000, own: { notAfter: 2_000 } };
  const issuance = { ends: () => [{ name: 'root', notAfter: 1_000 }], policyRefusals: () => [['device', 1]] };
  const doors = { list: () => [{ listener: 'api', connections: 2, displaced: 1, turnedAway: 0, unfinishedBytes: 0 }] };
  const signals = { outcomes: () => [['held', 2]] };
  const keyCredentials = { outcomes: () => [['given', 3]] };
  const lists = { current: () => [{ issuer: 'root', thisUpdate: 1_000, nextUpdate: 2_000, entries: 1 }] };
  const verifiers = {
    lists: { nextUpdate: '2030-01-01T00:00:00.000Z', ageMs: 1 },
    standings: { revision: 7, ageMs: 20, certificates: 3 },
    answers: { good: 2, revoked: 1 },
  };
  const desks = { last: [['desk-1', { verifiers }]] };
  const counted = { lists, desks, signals, keyCredentials, doors, journal, feed, issuance };
  const authority = { ...counted, ...leading, diskSpace, requests };
  const gate = {
    ground: {
      replica: { revision: 7, headRevision: 8, certificates: 3 },
      lease: { remainingMs: () => 0 },
      policy: { number: 1 },
    },
    connections: { size: 2, closed: 1 },
    verdicts: { counters: { admitted: 4, dropped: 0, untold: 0 }, refusals: new Map([['replica_stale', 5]]) },
    policies: { refused: false },
    watching: { inForce: 2, refused: 0 },
    ...{
      overruns: () => 0,
      pruneWaiting: () => 0,
      clockAheadMs: () => 0,
      recordingWaits: () => 2,
      certificateEnds: () => '2030-01-01T00:00:00.000Z',
      edgesTold: () => 6,
      advice: { counters: { admitted: 1, refused: 2 }, refusals: new Map([['not_decidable', 2]]) },

      crowd: () => ({ displaced: 0, turnedAway: 0, unfinishedBytes: 0 }),
      inUse: () => [{ transport: 'mqtt', connections: 2 }],
      diskSpace,
    },
    spool: () => ({ state: 'away', bytes: 4, bytesMax: 8, readings: 2, oldest: 1_000, damaged: 0, named: 1 }),
    now: () => 3_000,
  };
  const desk = { connections: 1, relayed: 2, turnedAway: 0, lookUps: null };
  return [
    authorityFigures(authority as never),
    gateFigures(gate as never),
    deskFigures(
      () => desk,
      () => '2030-01-01T00:00:00.000Z',
    ),
  ];
}

interface Asked {
  status: number;
  text: string;
}

function ask(
  where: object,
  path = '/metrics',
  method = 'GET',
  headers: string[] = ['host', 'localhost'],
): Promise<Asked> {
  return new Promise((resolve, reject) => {
    const asked = request({ ...where, path, method, agent: false, headers }, (answer) => {
      let text = '';
      answer.on('data', (chunk: Buffer) => {
        text += chunk;
      });
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }));
    });
    asked.on('error', reject).end();
  });
}

function folder(context: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'figures-'));
  context.after(() => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

test('what only grows is typed as a counter and ends in _total, what else there is does not, and each has a help text', async () => {
  for (const figures of everyFigure()) {
    const text = await figures.text();
    const types = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name = '', type = '']) => ({ name, type }));
    assert.ok(types.length > 6);
    for (const { name, type } of types) {
      assert.match(name, /^(portcullis|process)_[a-z_]+$/);
      if (type !== 'histogram') assert.equal(type, name.endsWith('_total') ? 'counter' : 'gauge', name);
      assert.match(text, new RegExp(`^# HELP ${name} \\S`, 'm'));
      assert.match(text, new RegExp(`^${name}(_count)?(\\{[a-z]+="[^"]+"(,[a-z]+="[^"]+")*\\})? \\d`, 'm'));
    }
  }
});

const promtool = spawnSync('promtool', ['--version']).error === undefined;
test('promtool has nothing to say against the figures', {
  skip: promtool ? false : 'promtool is not installed',
}, async () => {
  for (const figures of everyFigure()) {
    const { status, stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
      input: await figures.text(),
      encoding: 'utf8',
    });
    assert.deepEqual([status, stdout + stderr], [0, '']);
  }
});

test('figures are read anew each time', async () => {
  const figures = new Figures();
  let count = 1;
  figures.counter('portcullis_test_total', 'A test', () => count);
  assert.match(await figures.text(), /^portcullis_test_total 1$/m);
  count = 5;
  assert.match(await figures.text(), /^portcullis_test_total 5$/m);
});

test('the listener serves its three paths and nothing else', async (context) => {
  const listener = await new FiguresListener({ host: '127.0.0.1', port: 0 }, new Figures(), none).listen();
  context.after(() => listener[Symbol.asyncDispose]());
  const where = { host: '127.0.0.1', port: listener.port };
  assert.match((await ask(where)).text, /^portcullis_build_info\{version="[^"]+"\} 1$/m);
  assert.deepEqual(await ask(where, '/metrics', 'HEAD'), { status: 200, text: '' });
  assert.equal((await ask(where, '/metrics', 'POST')).status, 405);
  assert.equal((await ask(where, '/v1/readings')).status, 404);
});

test('whether it lives and whether it does its work are two questions, and the second says what hinders it', async (context) => {
  let hindrance: string | undefined = 'it holds no lease';
  const listener = await new FiguresListener({ host: '127.0.0.1', port: 0 }, new Figures(), () => hindrance).listen();
  context.after(() => listener[Symbol.asyncDispose]());
  const where = { host: '127.0.0.1', port: listener.port };
  assert.deepEqual(await ask(where, '/livez'), { status: 200, text: 'alive\n' });
  assert.deepEqual(await ask(where, '/readyz'), { status: 503, text: 'it holds no lease\n' });
  hindrance = undefined;
  assert.deepEqual(await ask(where, '/readyz'), { status: 200, text: 'ready\n' });
  assert.deepEqual(await ask(where, '/readyz', 'HEAD'), { status: 200, text: '' });
  assert.equal((await ask(where, '/readyz', 'POST')).status, 405);
  assert.equal((await ask(where, '/readyz', 'GET', ['host', 'evil.example'])).status, 421);
});

test('what a container asks with ends with 0 for 200 alone', async (context) => {
  let hindrance: string | undefined;
  const listener = await new FiguresListener({ host: '127.0.0.1', port: 0 }, new Figures(), () => hindrance).listen();
  context.after(() => listener[Symbol.asyncDispose]());
  const script = fileURLToPath(new URL('../../../../packaging/container/answers.js', import.meta.url));
  const look = async (path: string) => {
    const asking = spawn(process.execPath, [script, `http://127.0.0.1:${listener.port}${path}`], { stdio: 'ignore' });
    const [status] = (await once(asking, 'exit')) as [number];
    return status;
  };
  assert.deepEqual([await look('/livez'), await look('/readyz')], [0, 0]);
  hindrance = 'it stops';
  assert.deepEqual([await look('/livez'), await look('/readyz')], [0, 1]);
});

test('a port is asked by a name of this machine and by no other, whatever address that name was given', async (context) => {
  const listener = await new FiguresListener({ host: '127.0.0.1', port: 0 }, new Figures(), none).listen();
  context.after(() => listener[Symbol.asyncDispose]());
  const { port } = listener;
  const statusOf = async (headers: string[], path = '/metrics') =>
    (await ask({ host: '127.0.0.1', port }, path, 'GET', headers)).status;
  for (const own of ['localhost', 'LocalHost:9464', `127.0.0.1:${port}`, '127.0.0.2', '[::1]:9464', '[::1]']) {
    assert.equal(await statusOf(['host', own]), 200, own);
  }
  for (const foreign of [
    'evil.example',
    `evil.example:${port}`,
    '10.0.0.1',
    'localhost.evil.example',
    '127.0.0.1.evil',
    '',
  ]) {
    assert.equal(await statusOf(['host', foreign]), 421, foreign);
  }
  assert.equal(await statusOf(['host', 'localhost', 'host', 'evil.example']), 400);
  assert.equal(await statusOf(['host', 'localhost'], 'http://evil.example/metrics'), 421);
  assert.equal(await statusOf(['host', 'evil.example'], `http://127.0.0.1:${port}/metrics`), 200);
});

test('P13: a figure that can not be read is answered with 500, and the process goes on', async (context) => {
  const figures = new Figures();
  figures.gauge('portcullis_broken', 'A disk that is gone', () => Promise.reject(new Error('EIO')));
  const listener = await new FiguresListener({ host: '127.0.0.1', port: 0 }, figures, none).listen();
  context.after(() => listener[Symbol.asyncDispose]());
  for (const _ of [1, 2]) assert.equal((await ask({ host: '127.0.0.1', port: listener.port })).status, 500);
});

/** A process that binds the socket and is killed: its name stays behind. */
function leaveBehind(path: string): void {
  const script = `require('net').createServer().listen(${JSON.stringify(path)}, () => process.kill(process.pid, 'SIGKILL'))`;
  assert.equal(spawnSync(process.execPath, ['-e', script]).signal, 'SIGKILL');
}

test('a socket is for its owner and group; one that a dead process left is taken over, one that is served is not', async (context) => {
  const path = join(folder(context), 'figures.sock');
  leaveBehind(path);
  const first = await new FiguresListener({ path }, new Figures(), none).listen();
  context.after(() => first[Symbol.asyncDispose]());
  assert.equal(statSync(path).mode & 0o777, 0o660);
  assert.equal((await ask({ socketPath: path }, '/metrics', 'GET', ['host', 'anything'])).status, 200);
  await assert.rejects(new FiguresListener({ path }, new Figures(), none).listen(), { code: 'port_taken' });
  assert.equal((await ask({ socketPath: path })).status, 200);
});

test('a port that is taken is said by name', async (context) => {
  const other = createServer();
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
  context.after(() => other.close());
  const { port } = other.address() as { port: number };
  await assert.rejects(new FiguresListener({ host: '127.0.0.1', port }, new Figures(), none).listen(), {
    code: 'port_taken',
    message: `metrics: 127.0.0.1:${port} is taken by another process`,
  });
});

/** Names of metrics that an expression asks for: also those whose series a histogram makes. */
const namesIn = (text: string) => [...text.matchAll(/\b(?:portcullis|process)_[a-z_]+/g)].map(([name]) => name);
const examples = fileURLToPath(new URL('../../../../examples', import.meta.url));

test('the dashboard and the alerts ask for nothing but what a process of ours tells', async () => {
  const texts = await Promise.all(everyFigure().map((figures) => figures.text()));
  const told = new Set(texts.join('\n').match(/^[a-z_]+/gm));
  const dashboard: { panels: { id: number; title: string; targets?: { expr: string }[] }[] } = JSON.parse(
    readFileSync(join(examples, 'grafana/portcullis.json'), 'utf8'),
  );
  const asked = dashboard.panels.flatMap(({ targets = [] }) => targets.flatMap(({ expr }) => namesIn(expr)));
  const rules = readFileSync(join(examples, 'prometheus/portcullis.rules.yaml'), 'utf8');
  const expressions = [...rules.matchAll(/expr: ((?:.|\n {10})+)/g)].map(([, expression = '']) => expression);
  assert.ok(asked.length > 20 && expressions.length === rules.match(/- alert:/g)?.length);
  const missing = [...asked, ...expressions.flatMap(namesIn)].filter((name) => !told.has(name));
  assert.deepEqual(missing, []);
  assert.equal(new Set(dashboard.panels.map(({ id }) => id)).size, dashboard.panels.length);
});

test('promtool takes the alerts, and each rings when it should', {
  skip: promtool ? false : 'promtool is not installed',
}, () => {
  for (const words of [
    ['check', 'rules', 'portcullis.rules.yaml'],
    ['test', 'rules', 'portcullis.rules.test.yaml'],
  ]) {
    const { status, stdout, stderr } = spawnSync('promtool', words, {
      cwd: join(examples, 'prometheus'),
      encoding: 'utf8',
      timeout: 60_000,
    });
    assert.equal(status, 0, stdout + stderr);
  }
});
