import type { TradeItem } from './digital-link.ts';
import { written } from './markup.ts';
import { inCapitals, quietZone, symbolBytesMax, symbolOf, symbolPath } from './symbol.ts';

export interface LabelFacts {
  shipment: string;
  fleet: string;
  journey: string;
  item?: TradeItem | undefined;
  /** Where anybody may ask, with the shipment's code. */
  url: string;
  /** What was signed when the shipment was made: to be checked without a network. One that fits no symbol is not printed. */
  statement?: string | undefined;
}

/** In tenths of a millimetre. */
const label = { width: 1_000, height: 700, margin: 20 };
const place = { asking: 400, statement: 540 };

/** A label of 100 by 70 mm: the symbol of the address, beside it that of the statement, and below what people read. */
export function labelSvg(facts: LabelFacts): string {
  const { url } = facts;
  const statement = (facts.statement?.length ?? 0) > symbolBytesMax ? undefined : facts.statement;
  const { width, height, margin } = label;
  const right = width - margin - place.statement;
  const beside =
    statement === undefined
      ? []
      : [
          drawn(statement, 'L', { x: right, y: margin, side: place.statement }),
          line(right + 16, margin + place.statement + 36, 'signed statement, to be checked offline'),
        ];
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="100mm" height="70mm" role="img" aria-labelledby="label-title label-description" font-family="sans-serif" font-size="26">`,
    `<title id="label-title">Label of shipment ${written(facts.shipment)}</title>`,
    `<desc id="label-description">${statement === undefined ? alone : both}</desc>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    drawn(inCapitals(url), 'M', { x: margin, y: margin, side: place.asking }),
    ...beside,
    ...wordsOf(facts).map((words, at) => line(margin + 16, margin + place.asking + 36 + at * 36, words)),
    '</svg>',
    '',
  ].join('\n');
}

const alone = 'A QR symbol of the address where the state of the shipment can be asked.';
const both = `${alone} Beside it one of a signed statement, which can be checked without a network.`;

function wordsOf({ shipment, journey, fleet, item }: LabelFacts): string[] {
  const called = item === undefined ? [] : 'sscc' in item ? [`SSCC ${item.sscc}`] : [`GTIN ${item.gtin}`, item.serial];
  return [shipment, journey, fleet, ...called];
}

function line(x: number, y: number, words: string): string {
  return `<text x="${x}" y="${y}">${written(words, 40)}</text>`;
}

function drawn(text: string, correction: 'M' | 'L', { x, y, side }: { x: number; y: number; side: number }): string {
  const symbol = symbolOf(text, correction);
  const scale = side / (symbol.size + 2 * quietZone);
  const from = quietZone * scale;
  const moved = `translate(${rounded(x + from)} ${rounded(y + from)}) scale(${rounded(scale)})`;
  return `<path transform="${moved}" stroke="#000" shape-rendering="crispEdges" d="${symbolPath(symbol)}"/>`;
}

const rounded = (value: number) => Number(value.toFixed(4));
