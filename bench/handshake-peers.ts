/** Who else ends mTLS, each as one process that answers every request with 204: nginx, HAProxy and Caddy as Debian has them, and bare `node:tls`. */
import { type ChildProcess, spawn } from 'node:child_process';
import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { freeBasePort } from '../tools/commands.ts';
import { type Stage, startBareServer, startNginx } from './stage.ts';

export interface Peer {
  port: number;
  pid: number;
  stop(): void;
}

interface Place {
  stage: Stage;
  folder: string;
  port: number;
}

/** Undefined: it is not installed. */
export const handshakePeers: Record<string, (stage: Stage) => Promise<Peer | undefined>> = {
  'bare node:tls': async (stage) => {
    const { child, port } = await startBareServer(stage, 'idle-server.ts', { words: ['204'] });
    return { port, pid: child.pid as number, stop: () => child.disconnect() };
  },
  nginx: async (stage) => {
    const nginx = await startNginx(stage);
    return nginx && { port: nginx.port, pid: nginx.worker(), stop: nginx.stop };
  },
  haproxy: (stage) => started(stage, '/usr/sbin/haproxy', ['-db', '-f'], haproxyConfig),
  caddy: (stage) => started(stage, '/usr/bin/caddy', ['run', '--config'], caddyConfig),
};

async function started(
  stage: Stage,
  binary: string,
  words: string[],
  configOf: (place: Place) => string,
): Promise<Peer | undefined> {
  if (!existsSync(binary)) return undefined;
  const port = await freeBasePort();
  const folder = join(stage.house.home, `peer-${port}`);
  mkdirSync(folder);
  const file = join(folder, 'config.json');
  writeFileSync(file, configOf({ stage, folder, port }));
  const env = { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder, GOMAXPROCS: '1' };
  const child = spawn(binary, [...words, file], { stdio: 'ignore', env });
  process.once('exit', () => child.kill());
  while (!(await listens(port))) await stillThere(child, binary);
  return { port, pid: child.pid as number, stop: () => child.kill() };
}

async function stillThere(child: ChildProcess, binary: string): Promise<void> {
  if (child.exitCode !== null) throw new Error(`${binary} ended with ${child.exitCode}`);
  await new Promise((resolve) => setTimeout(resolve, 50));
}

function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('error', () => resolve(false));
    socket.on('connect', () => {
      socket.destroy();
      resolve(true);
    });
  });
}

function haproxyConfig({ stage: { pem, server }, folder, port }: Place): string {
  const both = join(folder, 'server.pem');
  writeFileSync(both, `${readFileSync(server.cert, 'utf8')}\n${readFileSync(server.key, 'utf8')}`, { mode: 0o600 });
  const asked = `ca-file ${join(pem, 'trust.pem')} verify required ssl-min-ver TLSv1.3 no-tls-tickets`;
  return `global
  nbthread 1
  tune.ssl.cachesize 0
defaults
  mode http
  timeout client 60s
  timeout http-request 60s
  timeout connect 60s
  timeout server 60s
frontend readings
  bind 127.0.0.1:${port} ssl crt ${both} ${asked}
  http-request return status 204
`;
}

function caddyConfig({ stage: { pem, server }, port }: Place): string {
  const trusted =
    readFileSync(join(pem, 'trust.pem'), 'utf8').match(/-----BEGIN [\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  const client_authentication = {
    mode: 'require_and_verify',
    trusted_ca_certs: trusted.map((one) => new X509Certificate(one).raw.toString('base64')),
  };
  const readings = {
    listen: [`127.0.0.1:${port}`],
    automatic_https: { disable: true },
    tls_connection_policies: [{ protocol_min: 'tls1.3', client_authentication }],
    routes: [{ handle: [{ handler: 'static_response', status_code: 204 }] }],
  };
  const certificates = { load_files: [{ certificate: server.cert, key: server.key }] };
  return JSON.stringify({
    admin: { disabled: true },
    logging: { logs: { default: { level: 'ERROR' } } },
    apps: { http: { servers: { readings } }, tls: { certificates, session_tickets: { disabled: true } } },
  });
}
