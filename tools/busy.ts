/**
 * The suite on a machine that does other work beside it: `npm run busy`, or `npm run busy -- --loops 4 --times 5 [FILE…]`. Starts busy
 * loops, runs `npm test` so many times, tells each run's counts and what failed, and ends with 1 unless every run was green.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { testOptions } from './commands.ts';

const { values, positionals } = parseArgs({
  options: { loops: { type: 'string', default: '4' }, times: { type: 'string', default: '5' } },
  allowPositionals: true,
});
const loops = wholeNumber('loops', values.loops, 0, 64);
const times = wholeNumber('times', values.times, 1, 100);

/** Whoever forgets a loop finds it gone by then. */
const loopSecondsMax = 7_200;
/** Ends by itself: after its time, or when nobody is at the other end of its input any more. */
const busy = `
  process.stdin.on('end', () => process.exit()).resume();
  const until = performance.now() + ${loopSecondsMax} * 1000;
  const turn = () => {
    for (const rest = performance.now() + 50; performance.now() < rest; );
    if (performance.now() < until) setImmediate(turn); else process.exit();
  };
  turn();`;

function wholeNumber(name: string, text: string, least: number, most: number): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new Error(`--${name} ${text} is not a whole number from ${least} to ${most}`);
}

const whyLengthMax = 20_000;

interface Outcome {
  status: number;
  seconds: number;
  failed: string[];
  /** What the runner says of them; of a file that failed outside of its tests this alone says why. */
  why: string;
  counts: string;
}

/** The test runner's own lines of a run: which tests failed, and how many of each kind there were. */
async function suite(): Promise<Outcome> {
  const before = performance.now();
  const words = positionals.length > 0 ? [...testOptions, '--test', ...positionals] : [];
  const child: ChildProcess =
    words.length > 0
      ? spawn(process.execPath, words, { stdio: ['ignore', 'pipe', 'inherit'] })
      : spawn('npm', ['test', '--silent'], { stdio: ['ignore', 'pipe', 'inherit'] });
  let out = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  const [status] = (await once(child, 'close')) as [number | null];
  const lines = out.split('\n').map((line) => line.trim());
  const from = out.search(/^✖ failing tests:|^not ok /m);
  const why = from < 0 ? out.slice(-whyLengthMax) : out.slice(from, from + whyLengthMax);
  const late = lines.filter((line) => line.includes('asynchronous activity after the test ended'));
  const failed = lines.filter((line) => /^(✖|not ok \d)/.test(line) && line !== '✖ failing tests:');
  const counts = lines.filter((line) => /^(ℹ|#) (tests|pass|fail|cancelled|skipped) \d/.test(line));
  return {
    status: status ?? 1,
    seconds: Math.round((performance.now() - before) / 1000),
    failed: [...new Set([...failed, ...late])],
    why: status === 0 ? '' : why,
    counts: counts.map((line) => line.slice(2)).join(', '),
  };
}

const beside = Array.from({ length: loops }, () =>
  spawn(process.execPath, ['-e', busy], { stdio: ['pipe', 'ignore', 'inherit'] }),
);
let green = 0;
try {
  for (let run = 1; run <= times; run++) {
    const { status, seconds, failed, counts, why } = await suite();
    if (status === 0) green++;
    console.log(
      `run ${run} of ${times}, ${loops} busy loops beside it: ${status === 0 ? 'green' : 'RED'} after ${seconds} s: ${counts}`,
    );
    for (const line of failed) console.log(`  ${line}`);
    if (why !== '') console.log(why);
  }
} finally {
  for (const loop of beside) loop.kill('SIGKILL');
}
console.log(`${green} of ${times} runs green`);
process.exitCode = green === times ? 0 : 1;
