import { PortcullisError, ReadingView, type ShipmentView } from '@portcullis/contract';
import type { Command } from 'commander';
import { realSystem, timestamp } from '../telemetry/system.ts';
import type { PlotFacts } from '../trade/trade.ts';
import { knownGates } from './ask-gates.ts';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import { GateReadings } from './gate-readings.ts';
import type { Output } from './output.ts';
import { breachesIn, rulesOf, shipmentOf, spanOf } from './shipment-facts.ts';

interface PlotOptions extends FleetOptions {
  stream?: string;
  value: string;
  unit: string;
  low?: string;
  high?: string;
}

/** More than a reading each ten seconds for a year. */
const readingsMax = 4_000_000;

export function addPlotCommand(shipment: Command, output: Output): void {
  shipment
    .command('plot')
    .argument('<shipment>')
    .option('--value <name>', "which number of its tracker's readings", 'temperature')
    .option('--unit <unit>', 'in what it is measured', '°C')
    .option('--stream <stream>', 'of this stream alone')
    .option('--low <number>', 'the lower bound, to be drawn')
    .option('--high <number>', 'the upper bound, to be drawn')
    .description("draw it as SVG: its tracker's readings, bounds, gaps with their cause, breaches and steps")
    .action(async (id: string, options: PlotOptions) => {
      const bounds = { low: numberIn('--low', options.low), high: numberIn('--high', options.high) };
      await withFleet(options, async (client) => {
        const { plot } = await import('../trade/trade.ts');
        const facts = { ...(await factsOf(client, id, options)), bounds };
        const svg = plot(facts);
        output.result({ shipment: id, readings: facts.series.length, svg }, svg.trimEnd());
      });
    });
}

async function factsOf(client: FleetClient, id: string, options: PlotOptions): Promise<Omit<PlotFacts, 'bounds'>> {
  const shipment = await shipmentOf(client, id);
  const rules = await rulesOf(client, id);
  const steps = shipment.arrivals.flatMap(({ outcome, step, at }) =>
    outcome === 'recorded' && step !== null ? [{ name: step, at: Date.parse(at) }] : [],
  );
  return {
    ...{ quantity: options.value, unit: options.unit, steps },
    series: shipment.tracker === null ? [] : await seriesOf(client, shipment, options),
    gaps: rules.flatMap(({ gaps }) => gaps).map((gap) => ({ ...spanOf(gap), cause: gap.cause, reason: gap.reason })),
    breaches: breachesIn(rules).map(spanOf),
  };
}

/** By the device's own time where it says one, as rules on readings judge them. */
async function seriesOf(
  client: FleetClient,
  { tracker, createdAt, arrivals, state }: ShipmentView,
  options: PlotOptions,
) {
  const end = state === 'delivered' ? arrivals.findLast(({ outcome }) => outcome === 'recorded')?.at : undefined;
  const until = end ?? timestamp(realSystem.now());
  const wanted = { subject: tracker ?? undefined, stream: options.stream, order: 'received', final: false } as const;
  const series: PlotFacts['series'] = [];
  for (const gate of await knownGates(client)) {
    const source = new GateReadings(client, gate, { ...wanted, since: createdAt, most: readingsMax });
    for (let rows = await source.page(); rows; rows = await source.page())
      for (const row of rows) {
        const { deviceTime, receivedAt, clock, data } = ReadingView.parse(row.view);
        const time = clock === 'synchronized' && deviceTime !== null ? deviceTime : receivedAt;
        const value = (data as Record<string, unknown>)[options.value];
        if (typeof value === 'number' && time <= until) series.push({ at: Date.parse(time), value });
      }
  }
  return series;
}

/** @throws {PortcullisError} `usage` */
function numberIn(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (text.trim() !== '' && Number.isFinite(value)) return value;
  throw new PortcullisError('usage', `${option} is "${text}"; it must be a number`);
}
