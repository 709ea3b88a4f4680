/** Containerfile and compose file, as far as that goes without an engine: what they name exists, and does what the page says. */
import assert from 'node:assert/strict';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse } from 'yaml';
import { root, textOf } from '../tree.ts';
import { containerFolder as folder, stages } from './containerfile.ts';
import { skippedWithout } from './house.ts';
import { canMakeMachines, Machines } from './machines.ts';

const services = ['authority', 'gate', 'desk', 'device'] as const;

/** The last value of an instruction in a stage, or in those that it is made from. */
function last(name: string, wanted: string): string | undefined {
  const stage = stages().find((one) => one.name === name);
  if (stage === undefined) return undefined;
  return stage.steps.findLast(([instruction]) => instruction === wanted)?.[1] ?? last(stage.from, wanted);
}

const wordsOf = (service: string, instruction: string) =>
  JSON.parse(last(service, instruction)?.replace(/^.*CMD (?=\[)/, '') ?? '[]') as string[];

interface Service {
  build: { context: string; dockerfile: string; target: string };
  volumes: string[];
  ports?: string[];
  read_only: boolean;
  cap_drop: string[];
  security_opt: string[];
  environment?: unknown;
}

const compose = parse(textOf(`${folder}/compose.yaml`), { merge: true }) as {
  services: Record<string, Service>;
  volumes: Record<string, null>;
};

test('each file that the Containerfile copies is there, and gets into the build', () => {
  const letIn = textOf('.dockerignore')
    .split('\n')
    .filter((line) => line.startsWith('!'))
    .map((line) => line.slice(1));
  const copied = stages()
    .flatMap(({ steps }) => steps)
    .filter(([instruction, rest]) => instruction === 'COPY' && !rest.startsWith('--from'))
    .flatMap(([, rest]) => rest.split(' ').slice(0, -1));
  assert.ok(copied.length > 8);
  for (const path of copied) {
    assert.ok(existsSync(join(root, path)), path);
    assert.ok(
      letIn.some((name) => path === name || path.startsWith(`${name}/`)),
      `.dockerignore keeps ${path} out`,
    );
  }
});

test('the commands of the Containerfile are ours, and one stage copies from another that there is', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: Record<string, string> };
  const known = stages().map(({ name }) => name);
  const text = textOf(`${folder}/Containerfile`);
  for (const [, script = ''] of text.matchAll(/npm run ([a-z:]+)/g)) assert.ok(script in scripts, script);
  for (const [, stage = ''] of text.matchAll(/--from=(\S+)/g)) assert.ok(known.includes(stage), stage);
  assert.equal(wordsOf('authority', 'ENTRYPOINT')[0], 'portcullis');
  assert.equal(wordsOf('gate', 'ENTRYPOINT')[0], 'portcullis');
  assert.equal(wordsOf('device', 'ENTRYPOINT')[0], 'portcullis-device');
  const { engines } = JSON.parse(textOf('packages/server/package.json')) as { engines: { node: string } };
  const [, major, minor] = /ARG NODE=(\d+)\.(\d+)/.exec(text) ?? [];
  const [, leastMajor, leastMinor] = />=(\d+)\.(\d+)/.exec(engines.node) ?? [];
  assert.ok(
    major === leastMajor && Number(minor) >= Number(leastMinor),
    'the Node of the image is one that we support',
  );
});

test('nothing runs as the superuser, nothing holds a secret, and what serves has a health check', () => {
  for (const service of services) {
    assert.match(last(service, 'USER') ?? 'root', /^[1-9]\d+:[1-9]\d+$/);
    assert.ok(last(service, 'HEALTHCHECK'), service);
  }
  assert.doesNotMatch(textOf(`${folder}/Containerfile`), /^(ENV|ARG) .*(SECRET|TOKEN|PASSWORD|KEY)/im);
});

test('the compose file has a service for each target, hardened, with a volume of its own', () => {
  assert.deepEqual(Object.keys(compose.services), [...services]);
  for (const [name, service] of Object.entries(compose.services)) {
    assert.equal(service.build.target, name);
    assert.ok(existsSync(join(root, folder, service.build.context, service.build.dockerfile)));
    assert.deepEqual(service.volumes, [`${name}:${last(name, 'VOLUME')}`]);
    assert.ok(name in compose.volumes);
    assert.deepEqual(service.cap_drop, ['ALL']);
    assert.deepEqual(service.security_opt, ['no-new-privileges:true']);
    assert.equal(service.read_only, true);
    assert.equal(service.environment, undefined);
    const ports = (service.ports ?? []).map((port) => port.split(':')[1]);
    assert.deepEqual(ports, last(name, 'EXPOSE')?.split(' ') ?? []);
  }
});

const skip = skippedWithout(canMakeMachines(), 'root, ip (Debian: iproute2) and nft (Debian: nftables)');
let machines: Machines | undefined;
after(() => machines?.[Symbol.asyncDispose]());

/** `docker compose run|exec` as a function of the shell: what follows runs on the machine of the service, by the image's entry point. */
function docker(made: Machines): string {
  const entries = services.map((service) => {
    const entry = wordsOf(service, 'ENTRYPOINT').join(' ');
    return `run-${service}) ${made.enter(service)} ${entry} "$@" ;;\nexec-${service}) ${made.enter(service)} "$@" ;;`;
  });
  return `docker() { shift; verb=$1; shift; while [[ $1 == -* ]]; do shift; done; service=$1; shift
case $verb-$service in\n${entries.join('\n')}\n*) return 2 ;; esac; }\n`;
}

test('the block of the page leads from nothing to a reading, by the entry points and commands of the images', {
  skip,
}, async () => {
  const made = new Machines([...services, 'operator']);
  machines = made;
  const hosts = services.map((service, index) => `10.77.0.${index + 1} ${service}\n`).join('');
  for (const service of services) writeFileSync(made.hostsOf(service), `127.0.0.1 localhost\n${hosts}`);
  const [, block = ''] = /```sh\n([\s\S]*?)```/.exec(textOf('docs/operating/containers.md')) ?? [];
  let said = '';
  for (const line of block.trim().split('\n')) {
    const [, service] = /^docker compose up --detach (\w+)$/.exec(line) ?? [];
    if (service !== undefined) {
      const words = [...wordsOf(service, 'ENTRYPOINT'), ...wordsOf(service, 'CMD')];
      await made.stay(service, words.join(' '), service === 'device' ? /running as truck-17/ : /listening on/);
      continue;
    }
    const ended = made.run('operator', docker(made) + line);
    assert.equal(ended.status, 0, `${line}\n${ended.said}`);
    said = ended.said;
  }
  assert.match(said, /4\.2/);
});

test('the health checks pass where a server answers, and fail where none does or another fleet vouches for it', {
  skip,
}, () => {
  const check = (service: string, change = (words: string) => words) => {
    const words = wordsOf(service, 'HEALTHCHECK').join(' ');
    const script = change(words.replace('/opt/portcullis', join(root, folder)));
    return machines?.run(service, script).status;
  };
  for (const service of ['authority', 'gate', 'desk']) {
    assert.equal(check(service), 0, service);
    assert.equal(
      check(service, (words) => words.replace(/:84\d\d/, ':8499')),
      1,
    );
  }
  machines?.run('operator', 'portcullis init other');
  const foreign = machines?.enter('operator').replace(/^.*env -C /, '');
  assert.equal(
    check('gate', (words) => words.replace('gate/root.pem', `${foreign}/other/root.pem`)),
    1,
  );
});
