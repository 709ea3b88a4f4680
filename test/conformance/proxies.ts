/** docs/operating/behind-a-proxy.md: Debian's nginx and HAProxy, configured as the page has it, in front of an application that a real gate guards. */
import assert from 'node:assert/strict';
import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import { Agent, request } from 'node:https';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { enrol } from '@portcullis/device';
import { eventually } from '../../packages/server/test/house.ts';
import { succeeded } from '../../tools/commands.ts';
import { textOf } from '../tree.ts';
import { type House, openHouse, skippedWithout } from './house.ts';

const page = textOf('docs/operating/behind-a-proxy.md');
const blocks = (language: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(([, text = '']) => text);
const env = { ...process.env, PATH: `/usr/sbin:${process.env.PATH}` };
const works = (...[program, ...words]: string[]) => spawnSync(program as string, words, { env }).status === 0;
const present =
  works('nginx', '-v') && works('haproxy', '-v') && works('curl', '--version') && works('openssl', 'version');
const skip = skippedWithout(present, 'nginx, HAProxy, curl and openssl (Debian: nginx-light, haproxy, curl, openssl)');
const run = promisify(execFile);

let house: House;
let application: Server;
const proxies: ChildProcess[] = [];
/** What the application was asked with, request by request. */
const asked: IncomingMessage['headers'][] = [];
const file = (...names: string[]) => join(house.directory, ...names);
const port = (offset: number) => house.basePort + offset;
const ways = { nginx: 10, 'nginx on another machine': 11, haproxy: 12 };

/** With the page's own places of files and ports in place of ours. */
function placed(text: string): string {
  return text
    .replaceAll('/run/portcullis-gate/decide.sock', file('decide.sock'))
    .replaceAll('/etc/nginx', house.directory)
    .replaceAll('/etc/haproxy', house.directory)
    .replaceAll('127.0.0.1:9000', `127.0.0.1:${port(13)}`)
    .replaceAll('gate.example:8449', `localhost:${port(14)}`)
    .replaceAll('gate.example', 'localhost')
    .replaceAll('device.pem', file('truck-1', 'pem', 'cert.pem'));
}

async function member(name: string, ...further: string[]): Promise<void> {
  const token = await house.portcullis('token', 'create', name, ...further);
  await enrol({ token: token.trim(), directory: file(name) });
  await succeeded('portcullis-device', 'export', file(name, 'pem'), '--device', file(name));
}

function writeFiles(): void {
  const root = readFileSync(file('fleet', 'root.pem'));
  writeFileSync(file('fleet-root.pem'), root);
  const subject = ['-subj', '/CN=proxy', '-addext', 'subjectAltName=DNS:localhost'];
  const made = ['-keyout', file('proxy.key'), '-out', file('proxy.pem'), '-days', '2', '-nodes'];
  spawnSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', ...made, ...subject]);
  for (const [from, to] of [
    ['cert.pem', 'proxy-1.pem'],
    ['key.pem', 'proxy-1.key'],
  ] as const)
    writeFileSync(file(to), readFileSync(file('proxy-1', 'pem', from)));
}

async function startNginx(): Promise<void> {
  const [server = '', upstream = '', remote = ''] = blocks('nginx');
  const ours = server.replace('listen 9443', `listen ${port(ways.nginx)}`);
  const theirs = server
    .replace('listen 9443', `listen ${port(ways['nginx on another machine'])}`)
    .replace(/ {4}location = \/portcullis \{[\s\S]*?\n {4}\}\n/, remote);
  assert.ok(theirs.includes('proxy_ssl_certificate_key'), 'the page has both');
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${file(`nginx-${name}`)};`,
  );
  const own = [`error_log ${file('nginx.log')};`, 'access_log off;', ...places].join('\n');
  const isRoot = process.getuid?.() === 0;
  const head = `daemon off; pid ${file('nginx.pid')}; ${isRoot ? 'user root root;' : ''} events {}\n`;
  writeFileSync(
    file('nginx.conf'),
    `${head}http {\n${own}\n${placed(upstream)}\n${placed(ours)}\n${placed(theirs)}\n}\n`,
  );
  const words = ['-c', file('nginx.conf'), '-p', house.directory, '-e', file('nginx-start.log')];
  proxies.push(spawn('nginx', words, { env, stdio: 'inherit' }));
}

async function startHaproxy(): Promise<void> {
  const [configuration = ''] = blocks('haproxy');
  const bundle = file('both.pem');
  writeFileSync(bundle, readFileSync(file('proxy.pem'), 'utf8') + readFileSync(file('proxy.key'), 'utf8'));
  writeFileSync(file('portcullis.lua'), placed(blocks('lua')[0] ?? ''));
  const text = placed(configuration)
    .replace(':9444', `:${port(ways.haproxy)}`)
    .replace(file('proxy.pem'), bundle);
  writeFileSync(file('haproxy.cfg'), text);
  proxies.push(spawn('haproxy', ['-db', '-f', file('haproxy.cfg')], { env, stdio: 'inherit' }));
}

before(async () => {
  if (skip) return;
  house = await openHouse((fleet) => {
    const path = join(fleet, 'gate.yaml');
    const yaml = readFileSync(path, 'utf8');
    const own = Number(/ port: (\d+)/.exec(yaml)?.[1]);
    const where = `  decideSocket: ${join(fleet, '..', 'decide.sock')}\n  decidePort: ${own + 11}\n`;
    writeFileSync(path, yaml.replace(/listen:\n/, `listen:\n${where}`));
  });
  for (const name of ['truck-1', 'truck-2']) await member(name, '--attribute', 'status=active');
  await member('proxy-1', '--kind', 'gateway', '--attribute', 'proxy=true');
  writeFiles();
  application = createServer(({ headers }, response) => {
    asked.push(headers);
    response.end('application');
  }).listen(port(13), '127.0.0.1');
  await Promise.all([startNginx(), startHaproxy()]);
  for (const way of Object.values(ways)) await eventually(async () => (await ask(way)) === 200, `port ${way} answers`);
});
after(async () => {
  for (const proxy of proxies) {
    if (proxy.exitCode !== null) continue;
    proxy.kill();
    await once(proxy, 'exit');
  }
  application?.close();
  await house?.[Symbol.asyncDispose]();
});

/** As curl is told; 0: there was no answer. */
async function ask(way: number, name: string | undefined = 'truck-1', ...headers: string[]): Promise<number> {
  const identity = name ? ['--cert', file(name, 'pem', 'cert.pem'), '--key', file(name, 'pem', 'key.pem')] : [];
  const words = ['--silent', '--output', '/dev/null', '--write-out', '%{http_code}', '--cacert', file('proxy.pem')];
  const further = headers.flatMap((header) => ['--header', header]);
  const url = `https://localhost:${port(way)}/`;
  const { stdout } = await run('curl', [...words, ...identity, ...further, url]).catch(() => ({ stdout: '0' }));
  return Number(stdout);
}

const set = (name: string, status: string) =>
  house.portcullis('attribute', 'set', name, `status=${status}`, '--wait', '--reason', 'a test');

for (const [name, way] of Object.entries(ways)) {
  test(`${name}: an attribute that is flipped refuses the next request, and lets one in again`, { skip }, async () => {
    assert.equal(await ask(way), 200);
    const receipt = await set('truck-1', 'off');
    assert.match(receipt, /in force at every gate/);
    assert.equal(await ask(way), 403);
    assert.equal(await ask(way, 'truck-2'), 200, 'and nobody else');
    await set('truck-1', 'active');
    assert.equal(await ask(way), 200);
    await house.portcullis('certificate', 'suspend', 'truck-1', '--wait', '--reason', 'a test');
    assert.equal(await ask(way), 403);
    await house.portcullis('certificate', 'resume', 'truck-1', '--wait', '--reason', 'a test');
    assert.equal(await ask(way), 200);
  });

  test(`${name}: a connection that stays open is refused with its next request`, { skip }, async () => {
    const identity = {
      cert: readFileSync(file('truck-1', 'pem', 'cert.pem')),
      key: readFileSync(file('truck-1', 'pem', 'key.pem')),
    };
    const agent = new Agent({ ...identity, ca: readFileSync(file('proxy.pem')), keepAlive: true, maxSockets: 1 });
    const ports = new Set<number | undefined>();
    const next = () =>
      new Promise<number | undefined>((resolve, reject) => {
        const sent = request({ agent, host: 'localhost', port: port(way) }, (answer) => {
          ports.add(answer.socket.localPort);
          answer.resume().once('end', () => resolve(answer.statusCode));
        });
        sent.once('error', reject).end();
      });
    assert.equal(await next(), 200);
    await set('truck-1', 'off');
    assert.equal(await next(), 403);
    assert.equal(ports.size, 1, 'it was one connection');
    agent.destroy();
    await set('truck-1', 'active');
  });

  test(`${name}: H1: a certificate in the client's own header is nobody's`, { skip }, async () => {
    await set('truck-1', 'off');
    const der = spawnSync('openssl', ['x509', '-in', file('truck-2', 'pem', 'cert.pem'), '-outform', 'DER']).stdout;
    assert.equal(await ask(way, 'truck-1', `Client-Cert: ${der.toString('base64')}`), 403);
    await set('truck-1', 'active');
    const before = asked.length;
    assert.equal(await ask(way, 'truck-1', `Client-Cert: ${der.toString('base64')}`), 200);
    assert.deepEqual(
      asked.slice(before).map((headers) => headers['client-cert']),
      [undefined],
      'nor the application’s',
    );
    assert.ok([0, 400].includes(await ask(way, '')), 'without a certificate there is nothing');
  });
}

test('a receipt names who asks, and counts on nobody of them', { skip }, async () => {
  // A gate tells of them when it renews its lease.
  const words = /proxy-1 asks gate-1: told, not confirmed/;
  await eventually(async () => words.test(await set('truck-2', 'active')), 'proxy-1 is named');
  assert.match(await set('truck-2', 'active'), /a proxy on its machine asks gate-1: told, not confirmed/);
});

test('what the page asks by hand is answered as it says', { skip }, async () => {
  const [byHand = '', , follow = ''] = blocks('sh').map(placed);
  const { stdout } = await run('bash', ['-ec', byHand]);
  assert.match(stdout, /^HTTP\/1.1 204 /);
  const following = spawn('bash', ['-c', `exec ${follow}`], { stdio: ['ignore', 'pipe', 'ignore'] });
  let said = '';
  following.stdout.on('data', (piece: Buffer) => {
    said += piece;
  });
  await eventually(() => said.includes('"complete"') && said.includes('"lease":true'), 'the list, and a beat');
  await set('truck-2', 'off');
  await eventually(() => /"type":"cut","certificate":"\w{64}","subject":"truck-2"/.test(said), 'the cut');
  await set('truck-2', 'active');
  await eventually(() => /"type":"admitted","certificate":"\w{64}","subject":"truck-2"/.test(said), 'and its end');
  following.kill();
});

test('a proxy that is cut itself lets nobody through', { skip }, async () => {
  const way = ways['nginx on another machine'];
  await house.portcullis('attribute', 'set', 'proxy-1', 'proxy=false', '--wait', '--reason', 'a test');
  assert.equal(await ask(way), 403);
  assert.equal(await ask(ways.nginx), 200, 'the other one goes on');
  await house.portcullis('attribute', 'set', 'proxy-1', 'proxy=true', '--wait', '--reason', 'a test');
  assert.equal(await ask(way), 200);
});

test('without a gate nobody is let through', { skip }, async () => {
  await house[Symbol.asyncDispose]();
  const statuses = await Promise.all(Object.values(ways).map((way) => ask(way)));
  assert.ok(!statuses.includes(200), String(statuses));
});
