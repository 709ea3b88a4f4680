import { readFileSync } from 'node:fs';
import { LabelView, PortcullisError, type PublicCode, readPublicCode } from '@portcullis/contract';
import type { Command } from 'commander';
import { type FleetClient, type FleetOptions, withFleet } from './fleet-client.ts';
import type { Output } from './output.ts';
import { publicUrlOf } from './public-url.ts';
import { attributesOf, shipmentOf } from './shipment-facts.ts';

interface LabelOptions extends FleetOptions {
  code?: string;
  url?: string;
  png?: boolean;
}

export function addLabelCommand(shipment: Command, output: Output): void {
  shipment
    .command('label')
    .argument('<shipment>')
    .option('--code <code|@file|->', 'its public code, as "shipment create" or "shipment code rotate" printed it')
    .option('--url <url>', 'where anybody reaches the desk (what the desk.yaml of the fleet directory says)')
    .option('--png', 'the QR symbol of the address alone, as a picture')
    .description('print its label as SVG: the address by which anybody may ask, and what its certificate says of it')
    .action((id: string, options: LabelOptions) => printLabel(id, options, output));
}

async function printLabel(id: string, options: LabelOptions, output: Output): Promise<void> {
  const code = codeFrom(options.code);
  await withFleet(options, async (client) => {
    const base = await publicUrlOf(options, output);
    const { labelSvg, symbolPng, symbolBytesMax, inCapitals, tradeItemOf, tradeLink } = await import(
      '../trade/trade.ts'
    );
    const { journey, attributes, statement } = await factsOf(client, id);
    const item = tradeItemOf(attributes);
    // The id is behind the "#", for checkpoints without a network: no server is ever sent it.
    const url = `${item ? `${tradeLink(item, base)}?code=${code}` : `${base}/v/${code}`}#${id}`;
    if (options.png && !output.json) return output.text(await symbolPng(inCapitals(url)));
    const facts = {
      shipment: id,
      fleet: client.credential.fleet,
      journey,
      item,
      url,
      statement: statement ?? undefined,
    };
    const svg = labelSvg(facts);
    if (statement !== null && statement.length > symbolBytesMax)
      output.notice(`its statement has ${statement.length} characters and fits no QR symbol; --json prints it`);
    output.result({ shipment: id, url, statement, svg }, svg.trimEnd());
  });
}

async function factsOf(client: FleetClient, id: string) {
  const [{ journey }, { statement }, attributes] = await Promise.all([
    shipmentOf(client, id),
    client.get(`/v1/shipments/${encodeURIComponent(id)}/label`, LabelView),
    attributesOf(client, id),
  ]);
  return { journey, statement, attributes };
}

/** It is a secret as long as nobody holds the box: arguments are seen by everybody on the machine. @throws {PortcullisError} `usage` */
function codeFrom(word: string | undefined): PublicCode {
  if (word === undefined)
    throw new PortcullisError('usage', 'say its public code with --code; "shipment code rotate" makes another one');
  const text =
    word === '-' ? readFileSync(0, 'utf8') : word.startsWith('@') ? readFileSync(word.slice(1), 'utf8') : word;
  const code = readPublicCode(text.trim());
  if (code !== undefined) return code;
  throw new PortcullisError('usage', 'this is not a public code; it has 32 letters and digits');
}
