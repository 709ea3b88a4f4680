import type { Crowd } from '../../bounds/bounds.ts';
import type { SpoolState } from '../../storage/sink.ts';
import { Figures } from '../../telemetry/figures.ts';
import type { DiskSpace } from '../../telemetry/telemetry.ts';
import type { Ground } from '../admission/admit.ts';
import type { Connections } from '../connections/connections.ts';
import type { Verdicts } from '../recording/verdicts.ts';
import type { Watching } from '../watching/watching.ts';
import type { Advice } from './decide/advice.ts';

export interface MetricsParts {
  ground: Ground;
  connections: Connections;
  verdicts: Verdicts;
  policies: { refused: boolean };
  watching: Pick<Watching, 'inForce' | 'refused'>;
  advice: Pick<Advice, 'counters' | 'refusals'>;
  edgesTold(): number;
  overruns(): number;
  pruneWaiting(): number;
  /** How far what the authority once said is ahead of all clocks. */
  clockAheadMs(): number;
  /** Taken, and not on disk yet. */
  recordingWaits(): number;
  /** The end of its own client certificate. */
  certificateEnds(): string;
  /** Of a listener that was full, whatever the certificate. */
  crowd(): Crowd;
  /** Of each listener. */
  inUse(): { transport: string; connections: number }[];
  diskSpace(): Promise<DiskSpace>;
  /** Where readings may wait for the sink. */
  spool?: (() => SpoolState) | undefined;
  now(): number;
}

/** What the gate tells of itself to Prometheus. */
export function gateFigures(parts: MetricsParts): Figures {
  const { ground, connections, policies, crowd, inUse } = parts;
  const { replica, lease } = ground;
  const figures = new Figures();
  figures.gauge('portcullis_gate_connections', 'Open connections', () => connections.size);
  const byTransport = {
    name: 'portcullis_gate_transport_connections',
    help: 'Open connections by what is spoken over them',
  };
  const openOf = () => inUse().map(({ transport, connections: open }): [string, number] => [transport, open]);
  figures.labelled('gauge', { ...byTransport, label: 'transport' }, openOf);
  figures.gauge('portcullis_gate_revision', 'The revision that was applied last', () => replica.revision);
  const lag = () => replica.headRevision - replica.revision;
  figures.gauge('portcullis_gate_revision_lag', 'How far the authority is ahead', lag);
  const left = () => lease.remainingMs() / 1000;
  figures.gauge('portcullis_gate_lease_remaining_seconds', 'How long the gate may still decide', left);
  figures.gauge('portcullis_gate_certificates', 'Certificates in the replica', () => replica.certificates);
  const ends = "When the gate's own client certificate ends, in seconds since 1970";
  const certificateEnds = () => Date.parse(parts.certificateEnds()) / 1_000;
  figures.gauge('portcullis_gate_certificate_not_after_seconds', ends, certificateEnds);
  const closed = 'Connections denied and chosen for closing';
  figures.counter('portcullis_gate_connections_closed_total', closed, () => connections.closed);
  const displaced = 'Connections that were silent for longest and made room for a newer one of the same certificate';
  figures.counter('portcullis_gate_connections_displaced_total', displaced, () => connections.displaced);
  const turnedAway = 'Connections of a certificate that has as many as it may, each with something under way';
  figures.counter('portcullis_gate_connections_turned_away_total', turnedAway, () => connections.turnedAway);
  const gaveWay = 'Connections that made room at a listener that was full';
  figures.counter('portcullis_gate_crowded_displaced_total', gaveWay, () => crowd().displaced);
  const noRoom = 'Connections for which a listener that was full had no room';
  figures.counter('portcullis_gate_crowded_turned_away_total', noRoom, () => crowd().turnedAway);
  const unfinished = 'Bytes that went out in TLS handshakes that were not finished';
  figures.counter('portcullis_gate_unfinished_handshake_bytes_total', unfinished, () => crowd().unfinishedBytes);
  figures.gauge('portcullis_gate_policy', 'The number of the policy in force', () => ground.policy.number);
  const refused = '1 while the files of the policy are not valid';
  figures.gauge('portcullis_gate_policy_refused', refused, () => Number(policies.refused));
  const clockAhead = 'How far what the authority once said is ahead of all clocks; 0 but for a clock that was put back';
  figures.gauge('portcullis_gate_clock_was_ahead_seconds', clockAhead, () => parts.clockAheadMs() / 1_000);
  countReadings(figures, parts);
  if (parts.spool) countSpool(figures, parts.spool, parts.now);
  countRules(figures, parts);
  countAdvice(figures, parts);
  return figures;
}

function countReadings(
  figures: Figures,
  { verdicts, overruns, pruneWaiting, recordingWaits, diskSpace }: MetricsParts,
): void {
  const { counters, refusals } = verdicts;
  figures.counter('portcullis_gate_admitted_total', 'Readings admitted', () => counters.admitted);
  const refused = { name: 'portcullis_gate_refused_total', help: 'Refusals by reason', label: 'reason' };
  figures.labelled('counter', refused, () => [...refusals]);
  const dropped = 'Refusals that were counted by their reason alone, or of which no line could be kept';
  figures.counter('portcullis_gate_verdicts_dropped_total', dropped, () => counters.dropped);
  const untold = 'Verdicts that those who watch did not take in time, and were told the number of';
  figures.counter('portcullis_gate_verdicts_untold_total', untold, () => counters.untold);
  figures.counter('portcullis_gate_overruns_total', 'Batches whose lease ended while they were stored', overruns);
  const queued = 'Readings that were taken, and are neither on disk nor answered yet';
  figures.gauge('portcullis_gate_recording_waiting_readings', queued, recordingWaits);
  const waiting = 'Readings that are old enough to go and wait for an operator';
  figures.gauge('portcullis_gate_prune_waiting_readings', waiting, pruneWaiting);
  const free = 'What is left of the disk that readings are stored on';
  figures.gauge('portcullis_gate_disk_free_bytes', free, async () => (await diskSpace()).freeBytes);
}

function countSpool(figures: Figures, spool: () => SpoolState, now: () => number): void {
  const readings = 'Acknowledged readings that are on the disk of the gate and not in the sink yet';
  figures.gauge('portcullis_gate_spool_readings', readings, () => spool().readings);
  figures.gauge('portcullis_gate_spool_bytes', 'What the spool takes of the disk', () => spool().bytes);
  figures.gauge('portcullis_gate_spool_bytes_max', 'What it may take', () => spool().bytesMax);
  const age = 'How long ago the oldest reading was received that is in the spool; 0: there is none';
  figures.gauge('portcullis_gate_spool_oldest_seconds', age, () => (now() - (spool().oldest ?? now())) / 1_000);
  const stuck = '1 while the sink does not take what the spool holds, though it is there';
  figures.gauge('portcullis_gate_spool_stuck', stuck, () => Number(spool().state === 'stuck'));
  const away = '1 while the spool waits for a sink that is away';
  figures.gauge('portcullis_gate_spool_sink_away', away, () => Number(spool().state === 'away'));
  const damaged = 'Files of the spool that were damaged and lie aside, until somebody removes them';
  figures.gauge('portcullis_gate_spool_damaged_files', damaged, () => spool().damaged);
}

function countRules(figures: Figures, { watching, edgesTold }: MetricsParts): void {
  figures.gauge('portcullis_gate_rules', 'Rules on readings that are in force', () => watching.inForce);
  const refused = 'Rules on readings that this gate can not evaluate, and does not watch';
  figures.gauge('portcullis_gate_rules_refused', refused, () => watching.refused);
  figures.counter('portcullis_gate_edges_told_total', 'Edges that the authority has taken', edgesTold);
}

function countAdvice(figures: Figures, { advice }: MetricsParts): void {
  const admitted = 'Certificates that a proxy asked about and that were admitted';
  figures.counter('portcullis_gate_decisions_admitted_total', admitted, () => advice.counters.admitted);
  const help = 'Certificates that a proxy asked about and that were refused, by reason';
  const refused = { name: 'portcullis_gate_decisions_refused_total', help, label: 'reason' };
  figures.labelled('counter', refused, () => [...advice.refusals]);
}
