/** What benches measure against: a fleet with one enrolled device, its gate as a process, and peers under the same certificates. */
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { readSqliteStore } from '../packages/server/src/storage/storage.ts';
import { House } from '../packages/server/test/house.ts';
import { forge } from '../packages/server/test/stories/man-in-the-middle/interception.ts';
import { freeBasePort, launchOf, Running, succeeded } from '../tools/commands.ts';
import type { Done, Job } from './load.ts';

const execArgv = ['--conditions=portcullis-source'];

export interface Stage {
  house: House;
  /** cert.pem, key.pem, root.pem of the device; trust.pem for servers. */
  pem: string;
  /** A server certificate of the fleet for localhost, for the peers. */
  server: { key: string; cert: string };
  gatePid: number;
  close(): Promise<void>;
}

/** `fill` is called on the stopped store; `expecting` changes `gate.yaml`, and `preparing` what comes then: limits are its last lines. */
export async function openStage(
  fill: (fleet: string) => Promise<void> = async () => undefined,
  expecting: (text: string) => string = (text) => text,
  preparing: (house: House) => void = () => undefined,
): Promise<Stage> {
  const many = (text: string) => `${text}limits:\n  connectionsPerCertificateMax: 100000\n`;
  const house = await House.open(async (made) => {
    made.configure('gate.yaml', (text) => many(expecting(text)));
    preparing(made);
    await fill(made.fleet);
  });
  try {
    return await furnish(house);
  } catch (error) {
    await house.close();
    throw error;
  }
}

async function furnish(house: House): Promise<Stage> {
  const { directory: pem } = await house.pem(await house.device('truck-17'));
  const issuers = await readSqliteStore(join(house.fleet, 'authority')).snapshot((db) =>
    db.selectFrom('issuers').select('certificate').execute(),
  );
  writeFileSync(join(pem, 'trust.pem'), issuers.map(({ certificate }) => certificate).join(''));
  const forged = await forge(house.fleet, { issuer: 'issuer-infrastructure', kind: 'gate', subject: 'gate-1' });
  const server = { key: join(house.home, 'server.key'), cert: join(house.home, 'server.pem') };
  writeFileSync(server.key, forged.key, { mode: 0o600 });
  writeFileSync(server.cert, forged.cert);
  return { house, pem, server, gatePid: house.gate?.process.pid as number, close: () => house.close() };
}

/** A desk as a process of its own; `ports`: options of "desk join". */
export async function joinDesk(house: House, ...ports: string[]): Promise<Running> {
  const [created] = await house.json<{ token: string }>(
    ...['token', 'create', 'desk-1', '--kind', 'desk', '--host', 'localhost'],
  );
  const home = join(house.home, 'desk-1');
  await succeeded('portcullis', 'desk', 'join', home, created?.token as string, ...ports);
  const desk = new Running(launchOf('portcullis', {}), 'start', 'desk', home);
  await desk.line(/^desk listening/, 60_000);
  return desk;
}

/** Runs a load in a process of its own. */
export async function load({ program = 'load.ts', ...job }: Job): Promise<Done> {
  const child = fork(join(import.meta.dirname, program), { execArgv });
  const done = new Promise<Done>((resolve) => child.once('message', (message) => resolve(message as Done)));
  child.send(job);
  const result = await done;
  child.kill();
  if (result.requests === 0) throw new Error(`the load got no answer (${result.failures} failures)`);
  return result;
}

export async function startBareServer(
  { pem, server }: Stage,
  program = 'bare-server.ts',
  { words = [], environment = {} }: { words?: string[]; environment?: Record<string, string> } = {},
): Promise<{ child: ChildProcess; port: number }> {
  const env = { ...process.env, ...environment };
  const child = fork(join(import.meta.dirname, program), [pem, server.key, server.cert, ...words], { execArgv, env });
  const address = await new Promise<AddressInfo>((resolve) =>
    child.once('message', (message) => resolve(message as AddressInfo)),
  );
  return { child, port: address.port };
}

export interface Nginx {
  port: number;
  /** The one worker: the process that works. */
  worker(): number;
  reload(): void;
  stop(): void;
}

/** Debian's nginx with mTLS, one worker, answering 204; undefined where there is none. */
export async function startNginx(
  { pem, server, house }: Stage,
  extra = '',
  trust = join(pem, 'trust.pem'),
  http = '',
): Promise<Nginx | undefined> {
  const binary = ['/usr/sbin/nginx', '/usr/bin/nginx'].find((path) => existsSync(path));
  if (!binary) return undefined;
  const port = await freeBasePort();
  const folder = join(house.home, `nginx-${port}`);
  mkdirSync(folder);
  const file = join(folder, 'nginx.conf');
  writeFileSync(
    file,
    `daemon off; worker_processes 1; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi; keepalive_requests 100000000; keepalive_timeout 600s;
  ${http}
  server {
    listen 127.0.0.1:${port} ssl; ssl_protocols TLSv1.3; ssl_certificate ${server.cert}; ssl_certificate_key ${server.key};
    ssl_client_certificate ${trust}; ssl_verify_client on; ssl_verify_depth 3; ssl_session_tickets off; ssl_session_cache off;
    ${extra}
    location / { return 204; }
  }
}
`,
  );
  const child = spawn(binary, ['-p', folder, '-c', file], { stdio: 'inherit' });
  process.once('exit', () => child.kill());
  const workersOf = () =>
    readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ').map(Number);
  while (!existsSync(join(folder, 'pid')) || workersOf()[0] === 0)
    await new Promise((resolve) => setTimeout(resolve, 20));
  return {
    port,
    worker: () => workersOf().at(-1) as number,
    reload: () => child.kill('SIGHUP'),
    stop: () => child.kill('SIGQUIT'),
  };
}
