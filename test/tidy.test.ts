/** The tree's own rules, as tests: who may import whom, sizes, words, dependencies, links. */
import assert from 'node:assert/strict';
import { existsSync, globSync } from 'node:fs';
import { basename, dirname, join, posix } from 'node:path';
import { test } from 'node:test';
import { askingCommands, furtherDoors, innerRooms, loadedLater, longFiles, rooms, roomsWithDevice } from './rooms.ts';
import { importsOf, loadedWith, resolved, root, textOf, trackedFiles } from './tree.ts';

const files = trackedFiles();
const sources = files.filter((path) => /^packages\/[a-z]+\/src\/.*\.ts$/.test(path));
const isTest = (path: string) =>
  /\.(test|contract|fuzz)\.ts$/.test(path) || path.includes('/test/') || path.startsWith('test/');
const products = sources.filter((path) => !isTest(path));
const serverSource = 'packages/server/src/';
/** They build what there is, and are in no room. */
const assembling = /^assemble(-\w+)?\.ts$/;
const roomOf = (path: string) => path.slice(serverSource.length).split('/')[0] as string;

function none(complaints: string[]): void {
  assert.deepEqual(complaints, []);
}

test('a room imports only the doors of the rooms below it', () => {
  const complaints: string[] = [];
  for (const path of products.filter(
    (file) => file.startsWith(serverSource) && file.slice(serverSource.length).includes('/'),
  )) {
    const allowed = rooms[roomOf(path)];
    if (allowed === undefined) {
      complaints.push(`${path}: the room "${roomOf(path)}" is not in the table of test/rooms.ts`);
      continue;
    }
    for (const specifier of importsOf(path).filter((name) => name.startsWith('.'))) {
      const target = resolved(path, specifier);
      const room = target.startsWith(serverSource) ? roomOf(target) : target;
      if (room === roomOf(path)) continue;
      const inside = target.slice(serverSource.length);
      const door = inside === `${room}/${room}.ts` || furtherDoors.includes(inside);
      if (assembling.test(room) && roomOf(path) === 'cli') continue;
      if (!door) complaints.push(`${path} imports ${specifier}, which is not a door`);
      if (allowed !== 'any door' && room !== 'telemetry' && !allowed.includes(room)) {
        complaints.push(`${path} imports ${room}; ${roomOf(path)} may import [${allowed.join(', ')}]`);
      }
    }
  }
  none(complaints);
});

test('a room inside of a room imports only the sisters below it, and what lies flat beside them', () => {
  const complaints: string[] = [];
  for (const { within, rooms: inner, flat } of innerRooms) {
    for (const path of products.filter((file) => file.startsWith(within) && file.slice(within.length).includes('/'))) {
      const room = path.slice(within.length).split('/')[0] as string;
      const allowed = inner[room];
      if (allowed === undefined) complaints.push(`${path}: the room "${room}" is not in the table of test/rooms.ts`);
      for (const specifier of importsOf(path).filter((name) => name.startsWith('.'))) {
        const target = resolved(path, specifier);
        if (!target.startsWith(within) || flat.includes(target.slice(within.length))) continue;
        const [other] = target.slice(within.length).split('/');
        if (other !== room && !allowed?.includes(other as string)) complaints.push(`${path} imports ${target}`);
      }
    }
  }
  none(complaints);
});

test('only the rooms that talk to other processes use the device package', () => {
  const users = products.filter(
    (path) => path.startsWith(serverSource) && importsOf(path).some((name) => name.startsWith('@portcullis/device')),
  );
  none(users.filter((path) => !roomsWithDevice.includes(roomOf(path)) && !assembling.test(roomOf(path))));
});

test('a command that asks loads no room, no logger and no outbox before it runs', () => {
  const complaints: string[] = [];
  for (const command of askingCommands) {
    const seen = new Set([`${serverSource}cli/cli.ts`, `${serverSource}cli/${command}.ts`]);
    for (const path of seen) {
      for (const specifier of loadedWith(path)) {
        const target = specifier.startsWith('.') ? resolved(path, specifier) : specifier;
        if (loadedLater.test(target)) complaints.push(`${command}: ${path} loads ${target}`);
        else if (target.endsWith('.ts')) seen.add(target);
      }
    }
  }
  none([...new Set(complaints)]);
});

test('gate and desk load nothing of the authority, nor one of the other', () => {
  const ofAuthority = [
    'api',
    'attributes',
    'authorities',
    'enrolment',
    'feed',
    'issuance',
    'journal',
    'keys',
    'rollover',
  ];
  const complaints: string[] = [];
  for (const [assembled, other] of [
    ['assemble-gate', 'desk'],
    ['assemble-desk', 'gate'],
  ] as const) {
    const seen = new Set([`${serverSource}${assembled}.ts`]);
    for (const path of seen) {
      if ([...ofAuthority, other, 'assemble.ts'].includes(roomOf(path))) complaints.push(`${assembled} loads ${path}`);
      for (const specifier of loadedWith(path)) if (specifier.startsWith('.')) seen.add(resolved(path, specifier));
    }
    assert.ok(seen.size > 50, assembled);
  }
  none(complaints);
});

test('the device package depends on the contract and one pure library alone, and the contract on the schema library', () => {
  for (const [name, allowed] of [
    ['contract', ['zod']],
    ['device', ['@portcullis/contract', 'mqtt-packet']],
  ] as const) {
    const declared = JSON.parse(textOf(`packages/${name}/package.json`)) as { dependencies: Record<string, string> };
    assert.deepEqual(Object.keys(declared.dependencies), [...allowed]);
    const foreign = products
      .filter((path) => path.startsWith(`packages/${name}/src/`))
      .flatMap((path) => importsOf(path).filter((specifier) => !/^(\.|node:)/.test(specifier)));
    none(foreign.filter((specifier) => !(allowed as readonly string[]).includes(specifier)));
  }
});

test('each room has a door that opens with a comment', () => {
  const complaints = Object.keys(rooms)
    .map((room) => `${serverSource}${room}/${room}.ts`)
    .filter((door) => !existsSync(join(root, door)) || !textOf(door).startsWith('/**'));
  none(complaints);
});

test('files stay within 400 lines', () => {
  const long = [...sources, ...files.filter((path) => /^(tools|bench|test)\/.*\.ts$/.test(path))].filter(
    (path) => textOf(path).split('\n').length > 401,
  );
  assert.deepEqual(long.toSorted(), Object.keys(longFiles).toSorted());
});

const bannedWords: [RegExp, string, RegExp?][] = [
  [
    /\bDate\.now\(|\bnew Date\(\)|\bperformance\.now\(/,
    'time is passed in as a System',
    /\/(system|assemble(-\w+)?)\.ts$/,
  ],
  [/\bMath\.random\(/, 'chance is passed in as a System'],
  [/\brandomBytes\(|\brandomUUID\(/, 'chance is passed in as a System', /\/(system|assemble(-\w+)?)\.ts$/],
  [
    /rejectUnauthorized:\s*false/,
    'verification is never turned off (P2)',
    // Of a server that asks its clients for a certificate; the authority judges it.
    /^packages\/server\/src\/desk\/asked-certificates\.ts$/,
  ],
  [/checkServerIdentity:\s*\(\)\s*=>/, 'a no-op identity check is never written (P2)'],
  [/\b(TODO|FIXME|XXX|HACK)\b/, 'finish it, or take it out'],
  [/\bmkdir(Sync)?\([^;]*recursive: true/, 'it never ends below /proc: makeDirectory of the device package'],
  [
    /\b(fsync|fdatasync|rename|link|writeFile|write)Sync\(|\.sync\(\)|[^.]\b(rename|writeFile)\(/,
    'a small file is written whole and durably: replaceFile, createFile or putInPlace of telemetry',
    // The device has one of its own. What the lock's file says is of interest only while its holder runs.
    /^packages\/(device|contract)\/|\/(telemetry\/durable-file|storage\/lock)\.ts$/,
  ],
  [
    /\.getPeerX509Certificate\(/,
    'it keeps what was shown beside the leaf, for ever: getPeerCertificate',
    /^packages\/server\/src\/bounds\/peer-chains\.ts$/,
  ],
  [/@ts-(ignore|nocheck|expect-error)/, 'mend the type'],
  [/\bas any\b/, 'parse it, or type it'],
  [/\b(cfg|evt|opts)\b/, 'write the word out'],
];

test('no source file has a banned word', () => {
  const complaints: string[] = [];
  for (const path of products) {
    const text = textOf(path);
    for (const [pattern, instead, except] of bannedWords) {
      if (pattern.test(text) && !except?.test(path)) complaints.push(`${path}: ${pattern.source}: ${instead}`);
    }
  }
  none(complaints);
});

test('names of files and folders are kebab-case, and no folder is a drawer for everything', () => {
  const complaints = sources.filter((path) => !/^[a-z0-9./-]+$/.test(path));
  const drawers = sources.filter((path) =>
    /\/(core|common|shared|utils?|helpers?|managers?|services?)(\/|\.ts$)/.test(path),
  );
  none([...complaints, ...drawers]);
});

test('no file is dead: each is imported, is a door of a package, or is run', () => {
  const entries = /\/(contract|device|client|device\/src\/seal|main|[a-z]+-worker)\.ts$/;
  const imported = new Set<string>();
  for (const path of files.filter((file) => /\.(ts|js)$/.test(file))) {
    for (const specifier of importsOf(path)) if (specifier.startsWith('.')) imported.add(resolved(path, specifier));
  }
  none(products.filter((path) => !imported.has(path) && !entries.test(path)));
});

test('each dependency has its row with the reason in CONTRIBUTING.md', () => {
  const text = textOf('CONTRIBUTING.md');
  const names = files
    .filter((path) => /(^|\/)package\.json$/.test(path))
    .flatMap((path) => {
      const parsed = JSON.parse(textOf(path)) as Record<string, Record<string, string> | undefined>;
      return ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((key) =>
        Object.keys(parsed[key] ?? {}),
      );
    });
  none([...new Set(names)].filter((name) => !name.startsWith('@portcullis/') && !text.includes(`\`${name}\``)));
});

test('links in the prose lead somewhere', () => {
  const complaints: string[] = [];
  for (const path of files.filter((file) => file.endsWith('.md'))) {
    for (const [, target] of textOf(path).matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g)) {
      if (target === undefined || /^[a-z]+:/.test(target)) continue;
      const file = posix.join(dirname(path), target);
      if (!existsSync(join(root, file))) complaints.push(`${path}: ${target}`);
    }
  }
  none(complaints);
});

test('paths that the prose names in code marks exist', () => {
  const complaints: string[] = [];
  for (const path of files.filter((file) => file.endsWith('.md'))) {
    for (const [, named] of textOf(path).matchAll(/`((?:packages|test|tools|bench|docs|\.ci)\/[A-Za-z0-9_./-]+)`/g)) {
      if (!existsSync(join(root, named as string))) complaints.push(`${path}: ${named}`);
    }
  }
  none(complaints);
});

test('ARCHITECTURE.md quotes the tables of rooms', () => {
  const text = textOf('ARCHITECTURE.md');
  const gateRooms = innerRooms.find(({ within }) => within.endsWith('/gate/'))?.rooms ?? {};
  const complaints = Object.entries({ ...rooms, ...gateRooms }).filter(([room, allowed]) => {
    const row = text.split('\n').find((line) => line.startsWith(`| \`${room}/\``));
    const said = row?.split('|').at(-2)?.trim();
    return said !== (allowed === 'any door' ? 'any door' : allowed.join(', ') || 'nothing');
  });
  none(complaints.map(([room]) => room));
});

test('each row of the page on the cut names a test that there is', () => {
  const page = 'docs/concepts/cut-off.md';
  const rows = [...textOf(page).matchAll(/"([^"]+)" in \[[^\]]+\]\(([^)]+)\) \|$/gm)];
  assert.ok(rows.length > 20, 'the table is there');
  none(
    rows
      .filter(([, title = '', path = '']) => !textOf(posix.join(dirname(page), path)).includes(title))
      .map(([, title, path]) => `${path} has no test "${title}"`),
  );
});

test('each row of the page on crashes says what four cases leave, and names tests that there are', () => {
  const page = 'docs/operating/crash-table.md';
  const rows = [...textOf(page).matchAll(/^\| (?!what is written|-)(.+) \|$/gm)].map(([, row = '']) =>
    row.split(' | '),
  );
  assert.ok(rows.length > 50, 'the tables are there');
  const complaints = rows.flatMap(([what = '', ...cells]) => {
    const named = [...(cells.at(-1) ?? '').matchAll(/"([^"]+)" in \[[^\]]+\]\(([^)]+)\)/g)];
    const missing = named.filter(
      ([, title = '', path = '']) => !textOf(posix.join(dirname(page), path)).includes(title),
    );
    const isWhole = cells.length === 5 && cells.every((cell) => cell.trim() !== '') && named.length > 0;
    return [
      ...(isWhole ? [] : [`"${what}" has no four cases and a test`]),
      ...missing.map(([, title, path]) => `${path} has no test "${title}"`),
    ];
  });
  none(complaints);
});

test('each test file is run by npm test, or by a part of npm run conformance', () => {
  const { scripts } = JSON.parse(textOf('package.json')) as { scripts: { test: string } };
  const inSuite = [...scripts.test.matchAll(/"([^"]+)"/g)].map(([, pattern]) => pattern as string);
  const inParts = [...textOf('tools/conformance.ts').matchAll(/'(packages[^']+\.test\.ts)'/g)].map(
    ([, one]) => one as string,
  );
  const run = (patterns: string[]) => new Set(globSync(patterns, { cwd: root, exclude: ['**/node_modules/**'] }));
  const [suite, parts] = [run(inSuite), run(inParts)];
  none(files.filter((path) => path.endsWith('.test.ts') && suite.has(path) === parts.has(path)));
});

test('the lockfile names no registry, and no build output is tracked', () => {
  assert.ok(!/"resolved": "https?:/.test(textOf('package-lock.json')));
  none(
    files.filter((path) => /(^|\/)(dist|node_modules|fleet)\//.test(path) || /\.(tgz|db|log)$/.test(basename(path))),
  );
});
