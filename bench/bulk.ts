/**
 * One change of a hundred thousand subjects: what it does to single changes in its middle, to leases, to event loops; and what a gate does to
 * the authority that comes back sixty such changes behind. `--base PATH`: an older tree beside; `--behind N`: fewer changes than sixty.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as pause } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import type { Receipt } from '@portcullis/contract';
import { Operator } from '../packages/server/test/operator.ts';
import type { Row } from './bench.ts';
import { quantile, rounded } from './measure.ts';

const root = join(import.meta.dirname, '..');
const subjects = 100_000;
const singles = 100;
const singleEveryMs = 20;
const behindChanges = 60;
const [singleMsMax, turnMsMax, ratioMax, megabytesMax] = [250, 50, 0.5, 400];
const limitMs = 600_000;

type House = import('../packages/server/test/house.ts').House;
type HouseModule = typeof import('../packages/server/test/house.ts');

interface Seen {
  bulkMs: number;
  singleMs: number;
  lapses: number;
  authorityTurnMs: number;
  gateTurnMs: number;
}

export async function benchBulk(words: string[]): Promise<Row[]> {
  const after = (word: string) => (words.includes(word) ? words[words.indexOf(word) + 1] : undefined);
  const base = after('--base');
  const ours = await seenOf(root);
  const before = base === undefined ? undefined : await seenOf(resolve(base));
  const told = (tell: (seen: Seen) => string) => (before ? tell(before) : 'none (--base PATH)');
  const ms = (value: number) => `${rounded(value, 0)} ms`;
  const single = ({ singleMs }: Seen) => ms(singleMs);
  const turns = ({ authorityTurnMs, gateTurnMs }: Seen) => `${ms(authorityTurnMs)}, ${ms(gateTurnMs)}`;
  const ratio = before && ours.bulkMs / before.bulkMs;
  return [
    {
      what: `a single change in the middle of one of ${subjects} subjects, to its receipt, p99`,
      ours: single(ours),
      peer: told(single),
      target: `≤ ${singleMsMax} ms`,
      met: ours.singleMs <= singleMsMax,
    },
    {
      what: 'leases that lapsed meanwhile',
      ours: String(ours.lapses),
      peer: told(({ lapses }) => String(lapses)),
      target: '0',
      met: ours.lapses === 0,
    },
    {
      what: 'the longest turn of authority and gate, CPU',
      ours: turns(ours),
      peer: told(turns),
      target: `≤ ${turnMsMax} ms`,
      met: Math.max(ours.authorityTurnMs, ours.gateTurnMs) <= turnMsMax,
    },
    {
      what: 'the whole change, to its receipt',
      ours: ms(ours.bulkMs),
      peer: told(({ bulkMs }) => ms(bulkMs)),
      target: `≤ ${ratioMax} ×`,
      met: ratio === undefined ? null : ratio <= ratioMax,
    },
    await behind(Number(after('--behind') ?? behindChanges)),
  ];
}

async function opened(tree: string): Promise<{ house: House; turns: string }> {
  const module = pathToFileURL(join(tree, 'packages/server/test/house.ts')).href;
  const { House } = (await import(module)) as HouseModule;
  let turns = '';
  const house = await House.open((one) => {
    turns = join(one.home, 'turns');
    mkdirSync(turns);
    fill(join(one.fleet, 'authority/store.db'));
    process.env.BENCH_TURNS = turns;
    process.env.NODE_OPTIONS = `--import=${pathToFileURL(join(import.meta.dirname, 'turns.ts')).href}`;
  }).finally(() => {
    delete process.env.NODE_OPTIONS;
  });
  return { house, turns };
}

async function seenOf(tree: string): Promise<Seen> {
  const { house, turns } = await opened(tree);
  const [bulk, single] = [new Operator(house.fleet), new Operator(house.fleet)];
  try {
    await single.set(id(1), { status: 'warm' });
    const [from, begun] = [Date.now(), performance.now()];
    const whole = bulk
      .set(named, { status: 'off' }, limitMs)
      .then((receipt) => ({ receipt, ms: performance.now() - begun }));
    const took: number[] = [];
    const receipts: Receipt[] = [];
    let isOver = false;
    void whole.finally(() => {
      isOver = true;
    });
    for (let number = 0; number < singles || !isOver; number++) {
      const [at, isInItsMiddle] = [performance.now(), !isOver];
      receipts.push(await single.set(id(1), { status: `is ${number}` }, limitMs));
      if (isInItsMiddle) took.push(performance.now() - at);
      await pause(singleEveryMs);
    }
    const { receipt, ms } = await whole;
    const lapses = [...receipts, receipt].flatMap(({ gates }) => gates).filter(({ outcome }) => outcome !== 'applied');
    const longest = (pid: number | undefined) => longestTurn(join(turns, `${pid}.ndjson`), from);
    return {
      bulkMs: ms,
      singleMs: quantile(took, 0.99),
      lapses: lapses.length,
      authorityTurnMs: longest(house.authority?.process.pid),
      gateTurnMs: longest(house.gate?.process.pid),
    };
  } finally {
    for (const operator of [bulk, single]) operator.close();
    await house.close();
  }
}

async function behind(changes: number): Promise<Row> {
  const { house } = await opened(root);
  const operator = new Operator(house.fleet);
  try {
    await house.gate?.stop();
    for (let number = 0; number < changes; number++)
      await operator.set(named, { status: `state ${number}`.padEnd(200, '.') }, limitMs);
    const before = megabytes(house);
    let most = before;
    const looking = setInterval(() => {
      most = Math.max(most, megabytes(house));
    }, 20);
    await house.startGate();
    clearInterval(looking);
    return {
      what: `authority while a gate comes back ${changes} such changes behind (${rounded(before, 0)} MB before)`,
      ours: `${rounded(most, 0)} MB`,
      peer: '1 900 MB seen before',
      target: `≤ ${megabytesMax} MB`,
      met: most <= megabytesMax,
    };
  } finally {
    operator.close();
    await house.close();
  }
}

const id = (number: number) => `bench-${number}`;
/** All but the one that is changed by itself. */
const named = Array.from({ length: subjects }, (_, index) => id(index + 2));

/** On a stopped store: subjects with a certificate each, whose key nobody holds, and a status. */
function fill(file: string): void {
  const database = new DatabaseSync(file);
  const numbers = `WITH RECURSIVE number (n) AS (VALUES (1) UNION ALL SELECT n + 1 FROM number WHERE n < ${subjects + 1})`;
  database.exec(`
    BEGIN;
    ${numbers} INSERT INTO subjects (id, kind, createdAt, revision) SELECT 'bench-' || n, 'device', 0, 0 FROM number;
    ${numbers} INSERT INTO attributes (subject, name, value, visibility, revision, changedAt, changedBy)
      SELECT 'bench-' || n, 'status', '"active"', 'private', 0, 0, 'init' FROM number;
    ${numbers} INSERT INTO certificates (fingerprint, serial, issuer, subject, purpose, der, notBefore, notAfter, standing,
        revision, changedAt, changedBy, issuedAt, confirmed, publicKey)
      SELECT lower(hex(randomblob(32))), printf('%032x', n), 'issuer', 'bench-' || n, 'client', zeroblob(650), 0, 4102444800000,
        'valid', 0, 0, 'init', 0, 1, printf('%064x', n) FROM number;
    INSERT OR IGNORE INTO attributeTypes VALUES ('status', 'string');
    COMMIT`);
  database.close();
}

function longestTurn(file: string, from: number): number {
  const lines = readFileSync(file, 'utf8').trim().split('\n');
  const windows = lines.map((line) => JSON.parse(line) as { at: number; longest: number });
  return Math.max(...windows.filter(({ at }) => at > from).map(({ longest }) => longest));
}

function megabytes({ authority }: House): number {
  const text = readFileSync(`/proc/${authority?.process.pid}/status`, 'utf8');
  return (Number(/VmRSS:\s+(\d+)/.exec(text)?.[1] ?? 0) * 1_024) / 1e6;
}
