import { Counter, Gauge, Registry } from 'prom-client';
import type { Ground } from '../admission/admit.ts';
import type { Connections } from '../connections/connections.ts';
import type { Verdicts } from '../recording/verdicts.ts';

/** The gate's counters in Prometheus' text format. They are read when asked for: nothing is counted twice on the way in. */
export class Metrics {
  readonly #registry = new Registry();

  constructor(parts: {
    ground: Ground;
    connections: Connections;
    verdicts: Verdicts;
    policies: { refused: boolean };
    overruns(): number;
    pruneWaiting(): number;
  }) {
    const { ground, connections, verdicts } = parts;
    const registers = [this.#registry];
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    gauge('portcullis_gate_connections', 'Open connections', () => connections.size);
    gauge('portcullis_gate_revision', 'The revision that was applied last', () => ground.replica.revision);
    gauge(
      'portcullis_gate_revision_lag',
      'How far the authority is ahead',
      () => ground.replica.headRevision - ground.replica.revision,
    );
    gauge(
      'portcullis_gate_lease_remaining_seconds',
      'How long the gate may still decide',
      () => ground.lease.remainingMs() / 1000,
    );
    gauge('portcullis_gate_certificates', 'Certificates in the replica', () => ground.replica.certificates);
    gauge(
      'portcullis_gate_connections_closed_total',
      'Connections denied and chosen for closing',
      () => connections.closed,
    );
    gauge(
      'portcullis_gate_connections_displaced_total',
      'Connections that were silent for longest and made room for a newer one of the same certificate',
      () => connections.displaced,
    );
    gauge(
      'portcullis_gate_connections_turned_away_total',
      'Connections of a certificate that has as many as it may, each with something under way',
      () => connections.turnedAway,
    );
    gauge('portcullis_gate_policy', 'The number of the policy in force', () => ground.policy.number);
    gauge('portcullis_gate_policy_refused', '1 while the files of the policy are not valid', () =>
      Number(parts.policies.refused),
    );
    gauge('portcullis_gate_overruns_total', 'Batches whose lease ended while they were stored', parts.overruns);
    gauge(
      'portcullis_gate_prune_waiting_readings',
      'Readings that are old enough to go and wait for an operator',
      parts.pruneWaiting,
    );
    gauge('portcullis_gate_admitted_total', 'Readings admitted', () => verdicts.counters.admitted);
    gauge(
      'portcullis_gate_verdicts_dropped_total',
      'Lines of verdicts that were counted but not kept',
      () => verdicts.counters.dropped,
    );
    this.#countRefusals(verdicts);
  }

  #countRefusals(verdicts: Verdicts): void {
    new Counter({
      name: 'portcullis_gate_refused_total',
      help: 'Refusals by reason',
      labelNames: ['reason'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [reason, count] of verdicts.refusals) this.inc({ reason }, count);
      },
    });
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
