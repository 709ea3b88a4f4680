import { type ArrivalView, ShipmentItem, ShipmentView } from '@portcullis/contract';
import type { Command } from 'commander';
import { type FleetOptions, queryOf, withFleet } from './fleet-client.ts';
import type { Listing, Output } from './output.ts';

export function addShipmentViews(shipment: Command, output: Output): void {
  shipment
    .command('list')
    .option('--state <state>', 'created, moving, returned, delivered or stopped')
    .option('--journey <name>', 'on this journey alone')
    .description('list shipments: where each stands, and what is due')
    .action(async ({ state, journey, ...options }: FleetOptions & { state?: string; journey?: string }) => {
      await withFleet(options, async (client) => {
        await output.list(client.pages(`/v1/shipments${queryOf({ state, journey })}`, ShipmentItem), listing);
      });
    });
  shipment
    .command('show')
    .argument('<shipment>')
    .description('show a shipment with what was recorded, tried and corrected')
    .action(async (id: string, options: FleetOptions) => {
      await withFleet(options, async (client) => {
        const shown = await client.get(`/v1/shipments/${encodeURIComponent(id)}`, ShipmentView);
        output.record(shown, propertiesOf(shown));
      });
    });
}

const colours = {
  created: undefined,
  moving: 'green',
  returned: 'yellow',
  delivered: 'green',
  stopped: 'red',
} as const;

const listing: Listing<ShipmentItem> = {
  columns: [
    { title: 'SHIPMENT', priority: 1, value: ({ shipment }) => shipment },
    { title: 'STATE', priority: 1, value: ({ state }) => state, colour: ({ state }) => colours[state] },
    { title: 'STEP', priority: 1, value: ({ step }) => step },
    { title: 'SINCE', priority: 2, value: ({ stepAt }) => stepAt },
    { title: 'JOURNEY', priority: 3, value: ({ journey, version }) => `${journey} (${version})` },
    { title: 'DUE', priority: 4, value: ({ dueAt }) => dueAt },
    { title: 'WAITING', priority: 4, align: 'right', value: ({ pending }) => pending },
    { title: 'TRACKER', priority: 5, value: ({ tracker }) => tracker },
  ],
  none: 'there is no shipment',
};

function propertiesOf(shown: ShipmentView): [string, string | number | null | undefined][] {
  const { shipment, state, journey, version, step, stepAt, next, dueAt, tracker, createdAt, arrivals } = shown;
  return [
    ['shipment', shipment],
    ['state', state],
    ['journey', `${journey}, version ${version}`],
    ['step', step === null ? null : `${step} since ${stepAt}`],
    ['next', next.join(' or ') || null],
    ['due', dueAt ?? undefined],
    ['tracker', tracker ?? undefined],
    ['made', createdAt],
    ...arrivals.map((arrival): [string, string] => [arrival.arrival, arrivalWords(arrival)]),
  ];
}

function arrivalWords(arrival: ArrivalView): string {
  const { outcome, step, at, claimed, checkpoint, declared, late, refusal, voided, replaces, place } = arrival;
  const by = declared ? `declared by ${checkpoint}` : `by ${checkpoint}`;
  return [
    `${outcome} ${step ?? 'nowhere'} at ${at}${claimed ? ' (as it says)' : ''} ${by}`,
    ...(place === null ? [] : [`in ${place}`]),
    ...(late ? ['late'] : []),
    ...(replaces === null ? [] : [`in the place of ${replaces}`]),
    ...(refusal ? [`${refusal.reason}: ${refusal.why}`] : []),
    ...(voided ? [`taken back by ${voided.by} at ${voided.at}: ${voided.reason ?? '-'}`] : []),
  ].join('; ');
}
