import { type ArrivalView, PortcullisError } from '@portcullis/contract';
import type { Command } from 'commander';
import { realSystem } from '../telemetry/system.ts';
import type { Trace } from '../trade/trade.ts';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';
import { attributesOf, breachesIn, rulesOf, shipmentOf, spanOf } from './shipment-facts.ts';

interface ExportOptions extends FleetOptions {
  epcis?: boolean;
}

export function addExportCommand(shipment: Command, output: Output): void {
  shipment
    .command('export')
    .argument('<shipment>')
    .option('--epcis', 'as an EPCIS 2.0 document (JSON-LD): arrivals, breaches and corrections')
    .description('print what happened to it, for other systems')
    .action(async (id: string, options: ExportOptions) => {
      if (!options.epcis) throw new PortcullisError('usage', 'say in which form: --epcis');
      await withFleet(options, async (client) => {
        const { epcisDocument } = await import('../trade/trade.ts');
        const document = epcisDocument(await traceOf(client, id), realSystem.now());
        output.result(document, JSON.stringify(document, null, 2));
      });
    });
}

async function traceOf(client: FleetClient, id: string): Promise<Trace> {
  const { tradeItemOf } = await import('../trade/trade.ts');
  const { arrivals, steps } = await shipmentOf(client, id);
  const finals = new Set(steps.filter(({ final }) => final).map(({ name }) => name));
  const happened = arrivals.filter(({ outcome, step }) => step !== null && /^(recorded|voided)$/.test(outcome));
  const glns = await placesOf(client, [...new Set(happened.map(({ checkpoint }) => checkpoint))]);
  const breaches = breachesIn(await rulesOf(client, id));
  return {
    ...{ fleet: client.credential.fleet, shipment: id, item: tradeItemOf(await attributesOf(client, id)) },
    arrivals: happened.map((arrival) => tracedArrival(arrival, { finals, glns })),
    breaches: breaches.map((breach) => ({ rule: breach.rule, at: Date.parse(breach.at), ...spanOf(breach) })),
  };
}

function tracedArrival(
  { arrival, step, at, checkpoint, declared, note, voided, replaces }: ArrivalView,
  { finals, glns }: { finals: ReadonlySet<string>; glns: ReadonlyMap<string, string> },
): Trace['arrivals'][number] {
  return {
    ...{ arrival, step: step ?? '', at: Date.parse(at), isFinal: finals.has(step ?? '') },
    by: { subject: checkpoint, gln: glns.get(checkpoint) },
    ...(replaces !== null && { replaces }),
    ...(declared && { declared: { reason: note ?? 'no reason was given' } }),
    ...(voided && { voided: { at: Date.parse(voided.at), reason: voided.reason ?? 'no reason was given' } }),
  };
}

/** The attribute `gln` of those that have one. */
async function placesOf(client: FleetClient, checkpoints: string[]): Promise<Map<string, string>> {
  const places = new Map<string, string>();
  for (const id of checkpoints) {
    const { gln } = await attributesOf(client, id);
    if (typeof gln === 'string') places.set(id, gln);
  }
  return places;
}
