import { PortcullisError, plainJson } from '@portcullis/contract';
import { type Gate, knownGates, toldOf } from './ask-gates.ts';
import type { FleetClient } from './fleet-client.ts';
import { GateReadings } from './gate-readings.ts';
import { requireStream, requireSubject } from './known-names.ts';
import { merged } from './merge.ts';
import type { Output } from './output.ts';
import type { ReadingRow } from './reading-row.ts';
import { ReadingSheet } from './reading-sheet.ts';
import type { ReadingOptions, Wanted } from './wanted-readings.ts';

type Client = Pick<FleetClient, 'get' | 'getFromGate' | 'askGate'>;
type OnLost = (source: GateReadings, error: unknown) => void;

/** By the time of receipt; of equal ones by the gate's name, as the sources are sorted. */
const byReceipt = (one: ReadingRow, other: ReadingRow): number =>
  one.receivedAt < other.receivedAt ? -1 : one.receivedAt > other.receivedAt ? 1 : 0;

/** What the gates of a fleet have stored, as one list. */
export class FleetReadings {
  readonly client: Client;
  readonly output: Output;
  readonly wanted: Wanted;
  readonly sheet: ReadingSheet;
  readonly partial: boolean;

  constructor(client: Client, output: Output, wanted: Wanted, { csv = false, partial = false }: ReadingOptions) {
    this.client = client;
    this.output = output;
    this.wanted = wanted;
    this.sheet = new ReadingSheet(output, csv);
    this.partial = partial;
  }

  /** Gates that are missing are told, and make the exit status 1 unless that is allowed; where all are, there is no list. */
  async all(): Promise<void> {
    const gates = await knownGates(this.client);
    if (gates.length === 0) throw new PortcullisError('server_unreachable', 'no gate of the fleet has ever started');
    const missing = new Set<string>();
    const sources = gates.map((gate) => new GateReadings(this.client, gate, this.wanted));
    const count = await this.sheet.all(
      this.rows(sources, ({ gate }, error) => {
        missing.add(gate.gate);
        this.missing(gate, error);
      }),
    );
    if (count === 0 && missing.size === 0) await this.requireNames(gates);
    if (missing.size === gates.length || (missing.size > 0 && !this.partial)) this.output.status = 1;
  }

  /** For when nothing was found. @throws {PortcullisError} `subject_unknown`, `usage` */
  async requireNames(gates: readonly Gate[]): Promise<void> {
    const { subject, stream } = this.wanted;
    if (subject !== undefined) await requireSubject(this.client, subject);
    if (stream !== undefined) await requireStream(this.client, gates, stream);
  }

  /** Said beside the list. */
  missing(gate: Gate, error: unknown): void {
    const { code, message } = toldOf(error);
    const { gate: name, url } = gate;
    const told = { missing: { gate: name, url }, code, message };
    const words = `${name} at ${url} is missing, and what it holds is not in this list: ${message} (${code})`;
    this.output.notice(this.output.json ? plainJson(told) : words);
  }

  /** In the order that is shown, in batches. */
  async *rows(sources: readonly GateReadings[], onLost: OnLost): AsyncGenerator<ReadingRow[]> {
    const { last, limit } = this.wanted;
    if (last === undefined) return yield* taken(merged(sources, byReceipt, onLost), limit);
    const newest: ReadingRow[] = [];
    const backwards = merged(sources.toReversed(), (one: ReadingRow, other) => byReceipt(other, one), onLost);
    // Also of none each source tells where its readings end.
    for await (const batch of taken(backwards, last)) newest.push(...batch);
    yield newest.reverse();
  }
}

async function* taken<Row>(batches: AsyncIterable<Row[]>, most: number): AsyncGenerator<Row[]> {
  let left = most;
  for await (const batch of batches) {
    yield batch.slice(0, left);
    left -= batch.length;
    if (left <= 0) return;
  }
}
