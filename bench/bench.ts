/** `npm run bench -- NAME [--full] [--json] [--base PATH]`: measures, beside its peer in the same run, and prints what it saw. */
import { cpus } from 'node:os';
import { benchArrivals } from './arrivals.ts';
import { benchBulk } from './bulk.ts';
import { benchCoap } from './coap.ts';
import { benchCommands } from './commands.ts';
import { benchCut } from './cut.ts';
import { benchDecide } from './decide.ts';
import { benchDesk } from './desk.ts';
import { type Distribution, histogram } from './distribution.ts';
import { benchGate } from './gate.ts';
import { benchGrowth } from './growth.ts';
import { benchHandshakes } from './handshakes.ts';
import { benchHostile } from './hostile.ts';
import { benchIdle } from './idle.ts';
import { benchImport } from './imports.ts';
import { benchIssue } from './issue.ts';
import { benchMillion } from './million.ts';
import { benchMqtt } from './mqtt.ts';
import { benchOcsp } from './ocsp.ts';
import { benchProfile } from './profile.ts';
import { benchPublic } from './public.ts';
import { benchReadings } from './readings.ts';
import { benchRenewals } from './renewals.ts';
import { benchRevoke } from './revoke.ts';
import { benchRules } from './rules.ts';
import { benchScale } from './scale.ts';
import { benchSealed } from './sealed.ts';
import { benchSend } from './send.ts';
import { benchSignal } from './signal.ts';
import { benchSinks } from './sinks.ts';
import { benchStorm } from './storm.ts';
import { benchTakeover } from './takeover.ts';
import { benchWatch } from './watch.ts';
import { benchWorkers } from './workers.ts';

/** One line of a result: what was measured, ours, the peer's, and what we want. */
export interface Row {
  what: string;
  ours: string;
  peer: string;
  target: string;
  met: boolean | null;
}

export interface Result {
  rows: Row[];
  distributions?: Distribution[];
}

const benches: Record<string, { about: string; run(words: string[]): Promise<Result> }> = {
  decide: {
    about: 'a decision at the gate, with a million certificates',
    run: async () => ({ rows: await benchDecide() }),
  },
  gate: {
    about: 'handshakes and durable readings; bare servers, nginx, HAProxy and Caddy beside',
    run: async () => ({ rows: await benchGate() }),
  },
  profile: {
    about: 'where the time of a reading goes, by folder and as a flame graph (`bench/gate-reading.svg`)',
    run: async () => ({ rows: await benchProfile() }),
  },
  handshakes: {
    about: 'a handshake with keys of ML-DSA: processor time, bytes, memory; one of P-256 beside',
    run: async () => ({ rows: await benchHandshakes() }),
  },
  mqtt: {
    about: 'publishing with QoS 1; a bare server, this gate over HTTPS and Mosquitto beside',
    run: () => benchMqtt(),
  },
  commands: {
    about: 'how long a command takes that asks the authority; with --base PATH an older tree beside',
    run: async (words) => ({ rows: await benchCommands(words) }),
  },
  send: {
    about: 'a device that sends fifty thousand readings of a file; with --base PATH an older tree beside',
    run: async (words) => ({ rows: await benchSend(words) }),
  },
  sealed: {
    about: 'sealed readings that a gateway carries, beside one bare verification; a hundred of them under one seal',
    run: async () => ({ rows: await benchSealed() }),
  },
  cut: {
    about:
      'from a change to its receipt, to the refusal and to the closed connection; nginx with a revocation list beside',
    run: (words) => benchCut({ full: words.includes('--full') }),
  },
  signal: {
    about: 'from a signal to its receipt, with two gates; Alertmanager and a list of nginx beside',
    run: async () => benchSignal(),
  },
  bulk: {
    about: 'a change of a hundred thousand subjects; with --base PATH an older tree beside',
    run: async (words) => ({ rows: await benchBulk(words) }),
  },
  issue: {
    about: 'certificates from requests, many at once, each durable; CFSSL beside',
    run: async () => ({ rows: await benchIssue() }),
  },
  import: {
    about:
      'a file of fifty thousand subjects, with --full a million, and a backup of them; the same changes without beside',
    run: (words) => benchImport({ full: words.includes('--full') }),
  },
  arrivals: {
    about: 'arrivals of shipments, many at once, each durable; bare inserts beside',
    run: async () => ({ rows: await benchArrivals() }),
  },
  hostile: {
    about: 'what bodies in pieces of one byte do to a gate and to others; with --base PATH an older tree beside',
    run: async (words) => ({ rows: await benchHostile(words) }),
  },
  desk: {
    about: 'what a crowd at a desk does to a receipt; the same without it beside',
    run: async () => ({ rows: await benchDesk() }),
  },
  renewals: {
    about:
      'ten thousand devices that renew within a minute, and what a gate does meanwhile; the same gate without them beside',
    run: () => benchRenewals(),
  },
  rules: {
    about: 'what rules on readings cost a gate; a stream that no rule watches beside',
    run: async () => ({ rows: await benchRules() }),
  },
  public: {
    about: 'look-ups by code at a desk: from the cache, and each of another shipment; a bare server beside',
    run: async () => ({ rows: await benchPublic() }),
  },
  ocsp: {
    about: 'questions about certificates at a desk that knows a hundred thousand; openssl ocsp as responder beside',
    run: async () => ({ rows: await benchOcsp() }),
  },
  revoke: {
    about:
      'a revocation with a hundred thousand certificates on record, with --full a million; the same with a thousand beside',
    run: async (words) => ({ rows: await benchRevoke({ full: words.includes('--full') }) }),
  },
  sinks: {
    about: 'readings that are durable a second, in SQLite, PostgreSQL and JetStream; a bare client of each beside',
    run: () => benchSinks(),
  },
  takeover: {
    about: 'the authority that leads is killed fifty times, with another that stands by on PostgreSQL',
    run: (words) => benchTakeover({ full: words.includes('--full') }),
  },
  scale: {
    about:
      'two authorities on PostgreSQL: receipts with eight gates, the feed to fifty, with --full revocations among a million; a bare client beside',
    run: (words) => benchScale({ full: words.includes('--full') }),
  },
  workers: {
    about: 'a gate as two processes at one port, its sink PostgreSQL; as one process beside',
    run: () => benchWorkers(),
  },
  storm: {
    about:
      'two thousand devices that come back at once, with --full ten thousand, beside 500 that are connected; a bare server in the same storm',
    run: async (words) => ({ rows: await benchStorm(words) }),
  },
  idle: {
    about:
      'memory of five and of twenty thousand connections that sent one reading each; bare node:tls and node:https beside',
    run: async () => ({ rows: await benchIdle() }),
  },
  coap: {
    about: 'sensors without X.509: what OSCORE costs, and the bytes of one reading over every way in',
    run: async () => ({ rows: await benchCoap() }),
  },
  million: {
    about:
      'how a gate starts, what each process holds, receipts and disk with fifty thousand certificates, with --full a million; a thousand beside; and a gate with a GiB of readings, with --full ten',
    run: (words) => benchMillion({ full: words.includes('--full') }),
  },
  growth: {
    about: 'what a certificate takes as enrolled and after its renewals; with --base PATH an older tree beside',
    run: async (words) => ({ rows: await benchGrowth(words) }),
  },
  watch: {
    about: 'what the decision log costs a reading while nobody, one and as many as may watch',
    run: async () => ({ rows: await benchWatch() }),
  },
  readings: {
    about: '`portcullis readings --json` of 50 000; with --base DIR the build of an older tree beside',
    run: async (words) => ({ rows: await benchReadings(words) }),
  },
};

function table(rows: Row[]): string {
  const heads = { what: 'what', ours: 'ours', peer: 'peer', target: 'target', met: '' };
  const cells = [heads, ...rows].map((row) => [row.what, row.ours, row.peer, row.target, verdict(row.met)]);
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...cells.map((line) => (line[column] ?? '').length)));
  return cells
    .map((line) =>
      line
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function verdict(met: Row['met'] | string): string {
  return typeof met === 'boolean' ? (met ? 'met' : 'MISSED') : '';
}

// What was started ends with this process.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

const words = process.argv.slice(2);
const name = words.find((word) => !word.startsWith('--')) ?? '';
const bench = benches[name];
if (!bench) {
  const list = Object.entries(benches).map(([known, { about }]) => `  ${known.padEnd(8)} ${about}`);
  process.stderr.write(`npm run bench -- NAME [--full] [--json] [--base PATH]\n${list.join('\n')}\n`);
  process.exitCode = 2;
} else {
  const machine = `${cpus().length} × ${cpus()[0]?.model}, Node ${process.versions.node}, OpenSSL ${process.versions.openssl}`;
  const { rows, distributions = [] } = await bench.run(words);
  const date = new Date().toISOString().slice(0, 10);
  const shapes = distributions.map((one) => `\n${histogram(one)}\n`).join('');
  process.stdout.write(
    words.includes('--json')
      ? `${JSON.stringify({ name, machine, date, rows, distributions })}\n`
      : `${machine}, ${date}\n\n${table(rows)}\n${shapes}`,
  );
}
