/** The devices of examples/ behind one interface, so that the same demands are made of each. */
import { spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { temporaryDirectory } from '../../packages/device/test/certificates.ts';
import { root } from '../tree.ts';

export interface Ended {
  status: number | null;
  out: string;
  error: string;
}

export interface Example {
  name: string;
  /** Whether it keeps what a gate did not take. */
  keeps: boolean;
  enrol(directory: string, token: string): Promise<Ended>;
  send(directory: string, stream: string, lines: string): Promise<Ended>;
  renew(directory: string, ...more: string[]): Promise<Ended>;
}

/** An environment that would have a careless program trust anybody, or speak through somebody else. */
export function hostileEnvironment(certificate: string): NodeJS.ProcessEnv {
  const home = join(temporaryDirectory(), 'home');
  mkdirSync(home);
  const bundle = join(home, 'bundle.pem');
  writeFileSync(bundle, certificate);
  writeFileSync(join(home, '.curlrc'), `insecure\ncacert = "${bundle}"\n`);
  const proxy = 'http://127.0.0.1:9';
  return {
    PATH: '/usr/bin:/bin',
    HOME: home,
    CURL_HOME: home,
    SSL_CERT_FILE: bundle,
    CURL_CA_BUNDLE: bundle,
    https_proxy: proxy,
    HTTPS_PROXY: proxy,
    ALL_PROXY: proxy,
  };
}

async function ended(environment: NodeJS.ProcessEnv, words: string[], input = ''): Promise<Ended> {
  const child = spawn(words[0] as string, words.slice(1), { env: environment, stdio: 'pipe' });
  child.stdin.on('error', () => undefined).end(input);
  const exit = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject));
  const [out, error, status] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { status, out, error };
}

export function examples(environment: NodeJS.ProcessEnv): Example[] {
  const python = ['/usr/bin/python3', '-B', join(root, 'examples/python-device/device.py')];
  const shell = ['/bin/sh', join(root, 'examples/shell-device/device.sh')];
  return [
    {
      name: 'python-device',
      keeps: true,
      enrol: (directory, token) => ended(environment, [...python, '--device', directory, 'enrol', '-'], token),
      send: (directory, stream, lines) => ended(environment, [...python, '--device', directory, 'send', stream], lines),
      renew: (directory, ...more) => ended(environment, [...python, '--device', directory, 'renew', ...more]),
    },
    {
      name: 'shell-device',
      keeps: false,
      enrol: (directory, token) => ended(environment, [...shell, 'enrol', directory], token),
      send: (directory, stream, lines) => ended(environment, [...shell, 'send', directory, stream], lines),
      renew: (directory, ...more) => ended(environment, [...shell, 'renew', directory, ...more]),
    },
  ];
}
