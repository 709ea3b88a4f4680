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
  /** Of a listener that was full, whatever the certificate. */
  crowd(): { displaced: number; turnedAway: number };
  /** Of each listener. */
  inUse(): { transport: string; connections: number }[];
  diskSpace(): Promise<DiskSpace>;
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
  figures.gauge('portcullis_gate_policy', 'The number of the policy in force', () => ground.policy.number);
  const refused = '1 while the files of the policy are not valid';
  figures.gauge('portcullis_gate_policy_refused', refused, () => Number(policies.refused));
  countReadings(figures, parts);
  countRules(figures, parts);
  countAdvice(figures, parts);
  return figures;
}

function countReadings(figures: Figures, { verdicts, overruns, pruneWaiting, diskSpace }: MetricsParts): void {
  const { counters, refusals } = verdicts;
  figures.counter('portcullis_gate_admitted_total', 'Readings admitted', () => counters.admitted);
  const refused = { name: 'portcullis_gate_refused_total', help: 'Refusals by reason', label: 'reason' };
  figures.labelled('counter', refused, () => [...refusals]);
  const dropped = 'Lines of verdicts that were counted but not kept';
  figures.counter('portcullis_gate_verdicts_dropped_total', dropped, () => counters.dropped);
  figures.counter('portcullis_gate_overruns_total', 'Batches whose lease ended while they were stored', overruns);
  const waiting = 'Readings that are old enough to go and wait for an operator';
  figures.gauge('portcullis_gate_prune_waiting_readings', waiting, pruneWaiting);
  const free = 'What is left of the disk that readings are stored on';
  figures.gauge('portcullis_gate_disk_free_bytes', free, async () => (await diskSpace()).freeBytes);
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
