import { setTimeout as pause } from 'node:timers/promises';
import { type AuthorityStatus, counted, type DeskView, PortcullisError, plain } from '@portcullis/contract';
import type { Command } from 'commander';
import { realSystem } from '../telemetry/system.ts';
import { durationOf } from './duration.ts';
import { directoryOf, type FleetOptions, operatorFileIn, withFleet } from './fleet-client.ts';
import { type FleetStatus, type GateFound, gibibytes, readStatus } from './fleet-status.ts';
import { keepAddresses } from './keep-addresses.ts';
import type { Output } from './output.ts';
import { type Column, styled, Table } from './table.ts';

interface StatusOptions extends FleetOptions {
  watch?: boolean;
  every: string;
  ending: string;
}

export function statusCommand(program: Command, output: Output): void {
  program
    .command('status')
    .option('--watch', 'again and again, until interrupted')
    .option('--every <duration>', 'how often with --watch', '2s')
    .option('--ending <duration>', 'which ends of certificates count as soon', '7d')
    .description('how authority, gates and desks stand; exit status 1 if something is wrong')
    .action((options: StatusOptions) => status(options, output));
}

async function status({ watch = false, every, ending, ...options }: StatusOptions, output: Output): Promise<void> {
  const [everyMs, endingSeconds] = [durationOf(every) * 1000, durationOf(ending)];
  if (everyMs === 0 || endingSeconds === 0) throw new PortcullisError('usage', 'a duration of 0 is none');
  const stop = new AbortController();
  if (watch) for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => stop.abort());
  await withFleet(options, async (client) => {
    do {
      const found = await readStatus(client, endingSeconds, realSystem.now());
      output.status = found.ok ? 0 : 1;
      if (found.authority) await keepAddresses(operatorFileIn(directoryOf(options)), found.authority.addresses);
      output.page(found, [...(watch ? [fresh(output)] : []), ...linesOf(found, output)]);
      if (watch) await pause(everyMs, undefined, { signal: stop.signal }).catch(() => undefined);
    } while (watch && !stop.signal.aborted);
  });
}

/** On a terminal in place of what was there (ECMA-48 §8.3.57 and §8.3.39), else below it. */
const fresh = ({ screen }: Output) => (screen.colours ? '\u001b[H\u001b[J' : '');

function linesOf({ ok, wrong, notes, authority, standbys, gates, desks }: FleetStatus, { screen }: Output): string[] {
  const table = new Table(gateColumns, screen);
  const rows = [...gates.flatMap((gate) => table.add(gate)), ...table.end()];
  return [
    ...(authority ? authorityLines(authority) : []),
    ...standbys.map(({ authority: at, against }) =>
      plain(`${at} stands by${against === null ? '' : ', and will not lead'}`),
    ),
    ...(rows.length > 0 ? ['', ...rows, ''] : []),
    ...desks.flatMap(deskLines),
    ...notes.map((note) => plain(`note: ${note}`)),
    ...wrong.map((one) => styled(plain(`WRONG: ${one}`), 'red', screen)),
    ...(ok ? [styled('all is well', 'green', screen)] : []),
  ];
}

function deskLines({ desk, report }: DeskView): string[] {
  if (!report) return [];
  const { url, connections, relayed, turnedAway, startedAt, lookUps, verifiers } = report;
  const known = lookUps ? `; look-ups of revision ${lookUps.revision}, ${lookUps.ageMs} ms old` : '';
  return [
    `${desk} at ${url}: ${connections} connected, ${relayed} relayed and ${turnedAway} turned away since ${startedAt}${known}`,
    ...(verifiers ? [`${desk} for verifiers: ${verifierWords(verifiers)}`] : []),
  ];
}

function verifierWords({ lists, standings, answers }: NonNullable<NonNullable<DeskView['report']>['verifiers']>) {
  const said = Object.entries(answers).filter(([, count]) => count > 0);
  return [
    lists?.nextUpdate ? `lists until ${lists.nextUpdate}, ${lists.ageMs} ms old` : 'no lists',
    standings
      ? `${standings.certificates} certificates by revision ${standings.revision}, ${standings.ageMs} ms old`
      : 'no certificates',
    said.length > 0 ? `answered ${said.map(([what, count]) => `${what} ${count}`).join(', ')}` : 'nobody asked',
  ].join('; ');
}

function authorityLines({
  fleet,
  version,
  startedAt,
  time,
  revision,
  disk,
  journal,
  lists = [],
}: AuthorityStatus): string[] {
  const { position, lookedFrom, broken, verified } = journal;
  const end = broken ? 'does not hold' : `entries ${lookedFrom} to ${position} hold`;
  const whole = verified ? `all were verified at ${verified.at}` : 'all of it was never verified';
  return [
    `${fleet} at ${time}: revision ${revision}`,
    `authority: version ${version}, since ${startedAt}, ${gibibytes(disk.freeBytes)} of ${gibibytes(disk.totalBytes)} free`,
    `journal: ${end}; ${whole}`,
    ...lists.map(({ issuer, list }) =>
      list
        ? `list of ${issuer}: ${list.number}, of ${list.thisUpdate}, until ${list.nextUpdate}, ${counted(list.entries, 'entry', 'entries')}`
        : `list of ${issuer}: none`,
    ),
  ];
}

const gateColumns: Column<GateFound>[] = [
  { title: 'GATE', priority: 1, value: ({ gate }) => gate },
  {
    title: 'LEASE',
    priority: 1,
    value: ({ lease }) => lease,
    colour: ({ lease }) => (lease === 'held' ? 'green' : 'red'),
  },
  { title: 'LAG', priority: 2, align: 'right', value: ({ lag }) => lag },
  { title: 'CONNECTED', priority: 2, align: 'right', value: ({ connections }) => connections },
  { title: 'ADMITTED/s', priority: 2, align: 'right', value: ({ admittedPerSecond }) => admittedPerSecond },
  { title: 'REFUSED/s', priority: 2, align: 'right', value: ({ refusedPerSecond }) => refusedPerSecond },
  { title: 'POST-QUANTUM', priority: 3, align: 'right', value: ({ own }) => hybridShare(own?.handshakes) },
  { title: 'DISK FREE', priority: 3, align: 'right', value: ({ own }) => own && gibibytes(own.disk.freeBytes) },
  { title: 'OVERRUNS', priority: 4, align: 'right', value: ({ overruns }) => overruns },
  { title: 'UNPROVEN', priority: 4, align: 'right', value: ({ unproven }) => unproven },
  { title: 'CERTIFICATE ENDS', priority: 5, value: ({ own }) => own?.certificateEnds },
  { title: 'SINCE', priority: 5, value: ({ own }) => own?.startedAt },
];

/** Of the handshakes since the gate started, how many agreed on their keys with ML-KEM. Rounded down: all of them is all of them. */
export function hybridShare(handshakes: Record<string, number> = {}): string | undefined {
  const all = Object.values(handshakes).reduce((sum, count) => sum + count, 0);
  return all === 0 ? undefined : `${Math.floor((100 * (handshakes['post-quantum'] ?? 0)) / all)} %`;
}
