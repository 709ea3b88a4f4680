import { PortcullisError } from '@portcullis/contract';
import type { Credential } from '@portcullis/device';
import type { Command } from 'commander';
import type { Authority, Pattern, Percentiles, Summary } from '../simulation/simulation.ts';
import { realSystem } from '../telemetry/system.ts';
import { gatesOf } from './ask-gates.ts';
import { readAssignments, requireAssignments } from './assignments.ts';
import { each } from './change-options.ts';
import { durationOf } from './duration.ts';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import { requireStream } from './known-names.ts';
import type { Output } from './output.ts';
import { simulatedBy } from './simulated-subjects.ts';
import { untilInterrupted } from './watch-gates.ts';

interface SimulateOptions extends FleetOptions {
  subjects?: string;
  for?: string;
  every?: string;
  pattern?: string[];
  broken?: string;
  stream?: string;
  reading?: string;
  attribute?: string[];
  prefix?: string;
  directory?: string;
}

const subjectsMax = 100_000;
const longestSeconds = 7 * 86_400;
const usualReading = { temperature: 4.2, simulated: true };

export function simulateCommand(program: Command, output: Output): void {
  program
    .command('simulate')
    .option('--subjects <number>', 'how many devices (100)')
    .option('--for <duration>', 'how long, once all are enrolled (60s)')
    .option('--every <duration>', 'how often each takes a reading (10s)')
    .option('--pattern <name>', 'power-return, renewal-day or slow-radio; repeatable', each)
    .option('--broken <percent>', 'how many are broken: wrong clock, cut bodies, revoked, unknown (0)')
    .option('--stream <stream>', 'where they send (telemetry)')
    .option('--reading <json>', 'what each reading says: a JSON object')
    .option(
      '--attribute <K=V>',
      'of the subjects that are made, beside status=active and simulated=true; repeatable',
      each,
    )
    .option('--prefix <text>', 'what their names begin with (simulated)')
    .option('--directory <dir>', 'where their keys and certificates are kept for the next run (./simulated)')
    .description(
      'many devices of this fleet in one process, with certificates of their own, for a bounded time: what was admitted, refused, and how long it took',
    )
    .action((options: SimulateOptions) => runSimulation(options, output).finally(() => output.progress('')));
}

async function runSimulation(options: SimulateOptions, output: Output): Promise<void> {
  const { flaws, KeptSubjects, enrolSubjects, patterns, simulate, wantedSubjects } = await import(
    '../simulation/simulation.ts'
  );
  const { stream = 'telemetry', prefix = 'simulated', directory = './simulated', attribute = [] } = options;
  const broken = numberOf('--broken', options.broken ?? '0', { least: 0, most: 50 });
  const count = numberOf('--subjects', options.subjects ?? '100', { least: 1, most: subjectsMax });
  const wanted = wantedSubjects(prefix, count, broken);
  const chosen = patternsOf(options.pattern ?? [], patterns);
  const data = readingOf(options.reading);
  const [forSeconds, everySeconds] = [durationOf(options.for ?? '60s'), durationOf(options.every ?? '10s')];
  for (const seconds of [forSeconds, everySeconds])
    if (seconds === 0 || seconds > longestSeconds) throw usage('--for and --every must be from 1s to 7d');
  requireAssignments(attribute);
  const signal = untilInterrupted();
  const progress = (words: string) => output.progress(words);
  await withFleet(options, async (client) => {
    const operator = client.credential;
    const gates = await gatesOf(client);
    await requireStream(client, gates, stream);
    using kept = await KeptSubjects.open(directory, operator);
    const authority = await authorityBy(client, attribute, output);
    const shared = { system: realSystem, progress, signal };
    const { devices, enrolled } = await enrolSubjects(wanted, { kept, authority, operator, ...shared });
    const urls = gates.map(({ url }) => url);
    const plan = { devices, patterns: chosen, forMs: forSeconds * 1_000, everyMs: everySeconds * 1_000, stream, data };
    const used = process.cpuUsage();
    const summary = await simulate({ ...plan, fleet: fleetOf(operator), gates: urls }, shared);
    const simulator = usedSince(used);
    output.progress('');
    const flawed = Object.fromEntries(flaws.map((flaw) => [flaw, devices.filter((one) => one.flaw === flaw).length]));
    const asked = { fleet: operator.fleet, subjects: devices.length, enrolled, broken: flawed, patterns: [...chosen] };
    output.record({ ...asked, ...summary, simulator }, shown({ ...asked, ...summary, simulator }));
  });
}

async function authorityBy(client: FleetClient, attribute: readonly string[], output: Output): Promise<Authority> {
  const { values } = await readAssignments(attribute, client, output);
  return simulatedBy(client, values);
}

const fleetOf = ({ fleet, roots }: Credential) => ({ fleet, roots });

const usage = (message: string) => new PortcullisError('usage', message);

function numberOf(option: string, text: string, { least, most }: { least: number; most: number }): number {
  const number = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && number >= least && number <= most) {
    if (option === '--broken' || Number.isInteger(number)) return number;
  }
  throw usage(`${option} is "${text}"; it must be a number from ${least} to ${most}`);
}

function patternsOf(names: readonly string[], known: readonly Pattern[]): ReadonlySet<Pattern> {
  const found = names.map((name) => {
    const pattern = known.find((one) => one === name);
    if (pattern) return pattern;
    throw usage(`pattern "${name}" is unknown; it must be one of [${known.join(', ')}]`);
  });
  return new Set(found);
}

function readingOf(text: string | undefined): Record<string, unknown> {
  if (text === undefined) return usualReading;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    value = undefined;
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  // Those that begin with an underscore are the device's own: the id of each reading, and its time.
  if (isObject && !Object.keys(value as object).some((name) => name.startsWith('_')))
    return value as Record<string, unknown>;
  throw usage(`--reading is "${text}"; it must be a JSON object, without members that begin with "_"`);
}

interface Used {
  cpuSeconds: number;
  memoryMostBytes: number;
}

function usedSince(before: NodeJS.CpuUsage): Used {
  const { user, system } = process.cpuUsage(before);
  // Kibibytes, on every platform (libuv, uv_getrusage).
  return {
    cpuSeconds: Math.round((user + system) / 100_000) / 10,
    memoryMostBytes: process.resourceUsage().maxRSS * 1_024,
  };
}

interface Told extends Summary {
  subjects: number;
  enrolled: number;
  broken: Record<string, number>;
  patterns: Pattern[];
  simulator: Used;
}

function shown(told: Told): [string, string | undefined][] {
  const { seconds, admitted, connections, renewals, returned, simulator, latency, refused, errors } = told;
  const renewed = renewals.done + sumOf(renewals.failed) > 0;
  return [
    ['devices', `${told.subjects}, ${told.enrolled} of them enrolled now; broken: ${countsOf(told.broken)}`],
    ['patterns', told.patterns.join(', ') || 'none'],
    ['seconds', String(seconds)],
    ['admitted', `${admitted} readings, ${Math.round(admitted / Math.max(seconds, 0.1))}/s`],
    ['waiting', `${told.waiting} readings; set aside: ${told.setAside}`],
    ['refused', countsOf(refused)],
    ['errors', countsOf(errors)],
    ['latency', tookOf(latency)],
    [
      'connections',
      `${connections.opened} opened, ${connections.openMost} at once, ${connections.openAtEnd} at the end`,
    ],
    [
      'renewals',
      renewed ? `${renewals.done}; failed tries: ${countsOf(renewals.failed)}; ${tookOf(renewals.took)}` : undefined,
    ],
    ['power back', returned ? `${returned.count} devices heard again: ${tookOf(returned)}` : undefined],
    ['simulator', simulatorWords(simulator, seconds)],
  ];
}

/** Of a processor: from here on devices wait for the simulator, and not for a gate. */
const busyShare = 0.9;

export function simulatorWords({ cpuSeconds, memoryMostBytes }: Used, seconds: number): string {
  const used = `${cpuSeconds} s CPU, ${Math.round(memoryMostBytes / 2 ** 20)} MiB at most`;
  if (cpuSeconds < busyShare * seconds) return used;
  return `${used}; that is a whole processor, so these figures are the simulator's own: start several with fewer subjects each, or with a longer --every`;
}

const sumOf = (counts: Record<string, number>) => Object.values(counts).reduce((sum, count) => sum + count, 0);

function countsOf(counts: Record<string, number>): string {
  const known = Object.entries(counts).filter(([, count]) => count > 0);
  return known.map(([name, count]) => `${name} ${count}`).join(', ') || 'none';
}

function tookOf(took: Percentiles | null): string {
  if (took === null) return 'none';
  const { p50Ms, p90Ms, p99Ms, longestMs } = took;
  return `half within ${p50Ms} ms, 90 % ${p90Ms} ms, 99 % ${p99Ms} ms, longest ${longestMs} ms`;
}
