import { type CountedRunView, MissingReadings, PortcullisError, plainJson } from '@portcullis/contract';
import { type Gate, knownGates, toldOf } from './ask-gates.ts';
import type { FleetClient } from './fleet-client.ts';
import { type MissingRow, missingOf } from './missing-ranges.ts';
import type { Listing, Output } from './output.ts';
import type { ReadingOptions } from './wanted-readings.ts';

type Client = Pick<FleetClient, 'get' | 'getFromGate'>;

const numbersOf = ({ first, last }: MissingRow) => {
  if (first === null) return 'not known any more';
  return first === last ? String(first) : `${first}–${last}`;
};

const listing: Listing<MissingRow> = {
  columns: [
    { title: 'SUBJECT', priority: 1, usual: 16, value: ({ subject }) => subject },
    { title: 'STREAM', priority: 1, usual: 12, value: ({ stream }) => stream },
    { title: 'RUN', priority: 2, usual: 12, value: ({ run }) => run },
    { title: 'MISSING', priority: 1, usual: 16, value: numbersOf },
    { title: 'READINGS', priority: 2, usual: 8, value: ({ count }) => String(count) },
    { title: 'SINCE', priority: 1, usual: 24, value: ({ since }) => since ?? '' },
  ],
  none: 'nothing is missing of what devices counted',
};

/** Options of the list of readings that say nothing here. */
const others = ['since', 'until', 'last', 'limit', 'follow', 'csv', 'refused'] as const;

/** `readings --missing`: what devices counted, and no gate has stored. Where one gate can not be asked, it may have what is shown. */
export async function listMissing(
  client: Client,
  output: Output,
  stream: string | undefined,
  options: ReadingOptions,
): Promise<void> {
  const other = others.find((name) => options[name] !== undefined);
  if (other) throw new PortcullisError('usage', `--missing and --${other} do not go together; leave one out`);
  const gates = await knownGates(client);
  if (gates.length === 0) throw new PortcullisError('server_unreachable', 'no gate of the fleet has ever started');
  const { subject, partial = false } = options;
  const query = {
    ...(stream !== undefined && { stream }),
    ...(subject !== undefined && { subject }),
    ...(gates.length > 1 && { all: '1' }),
  };
  const asked = await Promise.all(gates.map((gate) => runsOf(client, output, gate, query)));
  const told = asked.filter((views) => views !== undefined);
  await output.list(
    [...byRun(told.flat())].flatMap(([, views]) => missingOf(views)),
    listing,
  );
  if (told.length === 0 || (told.length < gates.length && !partial)) output.status = 1;
}

async function runsOf(client: Client, output: Output, { gate, url }: Gate, query: Record<string, string>) {
  const views: CountedRunView[] = [];
  try {
    for (let after: string | null | undefined; after !== null; ) {
      const asked = new URLSearchParams({ ...query, limit: '1000', ...(after !== undefined && { after }) });
      const { items, next } = await client.getFromGate(url, `/v1/readings/missing?${asked}`, MissingReadings);
      views.push(...items);
      after = next;
    }
    return views;
  } catch (error) {
    const { code, message } = toldOf(error);
    const words = `${gate} at ${url} is missing, and may have what is in this list: ${message} (${code})`;
    output.notice(output.json ? plainJson({ missing: { gate, url }, code, message }) : words);
    return undefined;
  }
}

function byRun(views: readonly CountedRunView[]): [string, CountedRunView[]][] {
  const runs = Map.groupBy(views, ({ subject, stream, run }) => `${subject} ${stream} ${run}`);
  return [...runs].toSorted(([one], [other]) => (one < other ? -1 : 1));
}
