import { PortcullisError, plainJson, RefusedReadings, type RefusedReadingView } from '@portcullis/contract';
import { type Gate, knownGates, toldOf } from './ask-gates.ts';
import type { FleetClient } from './fleet-client.ts';
import { merged } from './merge.ts';
import type { Listing, Output } from './output.ts';
import type { ReadingOptions } from './wanted-readings.ts';

type Client = Pick<FleetClient, 'get' | 'getFromGate'>;

const listing: Listing<RefusedReadingView> = {
  columns: [
    { title: 'AT', priority: 1, usual: 24, value: ({ at }) => at },
    { title: 'GATE', priority: 2, usual: 8, value: ({ gate }) => gate },
    { title: 'SUBJECT', priority: 1, usual: 16, value: ({ subject }) => subject },
    { title: 'TOPIC', priority: 2, usual: 24, value: ({ topic }) => topic },
    { title: 'REASON', priority: 1, usual: 24, value: ({ reason }) => reason },
    { title: 'TOLD', priority: 3, usual: 60, least: 20, value: ({ told }) => told },
    { title: 'PAYLOAD', priority: 1, usual: 60, least: 20, value: ({ payload }) => payload },
  ],
  none: 'nothing was refused that fits',
};

/** What one gate has kept as refused, a page at a time. */
class GateRefused {
  readonly gate: Gate;
  readonly #client: Client;
  readonly #query: Record<string, string>;
  #after: string | null | undefined;

  constructor(client: Client, gate: Gate, query: Record<string, string>) {
    [this.#client, this.gate, this.#query] = [client, gate, query];
  }

  async page(): Promise<RefusedReadingView[] | undefined> {
    while (this.#after !== null) {
      const query = new URLSearchParams({ ...this.#query, ...(this.#after !== undefined && { after: this.#after }) });
      const path = `/v1/readings/refused?${query}`;
      const { items, next } = await this.#client.getFromGate(this.gate.url, path, RefusedReadings);
      this.#after = next;
      if (items.length > 0) return items;
    }
    return undefined;
  }
}

/** Options of the list of readings that say nothing here. */
const others = ['since', 'until', 'last', 'limit', 'follow', 'csv'] as const;

/** `readings --refused`: of all gates, oldest first. One that is missing is told, and makes the exit status 1 unless that is allowed. */
export async function listRefused(
  client: Client,
  output: Output,
  stream: string | undefined,
  options: ReadingOptions,
): Promise<void> {
  const other = others.find((name) => options[name] !== undefined);
  if (other) throw new PortcullisError('usage', `--refused and --${other} do not go together; leave one out`);
  const gates = await knownGates(client);
  if (gates.length === 0) throw new PortcullisError('server_unreachable', 'no gate of the fleet has ever started');
  const { subject, partial = false } = options;
  const query = { ...(stream !== undefined && { stream }), ...(subject !== undefined && { subject }) };
  const sources = gates.map((gate) => new GateRefused(client, gate, query));
  let missing = 0;
  const rows = merged(sources, byTime, ({ gate }, error) => {
    missing++;
    tellMissing(output, gate, error);
  });
  await output.batches(rows, listing);
  if (missing === gates.length || (missing > 0 && !partial)) output.status = 1;
}

const byTime = (one: RefusedReadingView, other: RefusedReadingView) =>
  one.at < other.at ? -1 : one.at > other.at ? 1 : 0;

function tellMissing(output: Output, { gate, url }: Gate, error: unknown): void {
  const { code, message } = toldOf(error);
  const words = `${gate} at ${url} is missing, and what it holds is not in this list: ${message} (${code})`;
  output.notice(output.json ? plainJson({ missing: { gate, url }, code, message }) : words);
}
