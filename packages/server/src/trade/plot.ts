import { written } from './markup.ts';
import { type Point, pathOf } from './plot-path.ts';

/** Times are milliseconds since 1970. */
export interface PlotFacts {
  /** What is measured, as people say it, and in what: `temperature`, `°C`. */
  quantity: string;
  unit: string;
  series: Point[];
  bounds: { low?: number | undefined; high?: number | undefined };
  steps: { name: string; at: number }[];
  /** Where nothing is known, and why: a gap is drawn as one. */
  gaps: {
    from: number;
    until?: number | undefined;
    cause: 'refused' | 'silent' | 'no_gate' | 'unbound';
    reason?: string | undefined;
  }[];
  breaches: { from: number; until?: number | undefined }[];
}

type Gap = PlotFacts['gaps'][number];

const size = { width: 800, height: 360 };
const field = { left: 56, right: 784, top: 96, bottom: 316 };
/** What is told of each is drawn of so many: a picture stays below 50 KB whatever the load went through. */
const drawnMax = 24;

interface Scale {
  x(at: number): number;
  y(value: number): number;
  from: number;
  until: number;
  low: number;
  high: number;
}

/** A load as one picture: the curve, its bounds, the gaps with their cause, breaches and steps; with a description in words. */
export function plot(facts: PlotFacts): string {
  const scale = scaleOf(facts);
  const { width, height } = size;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="plot-title plot-description" font-family="sans-serif" font-size="12">`,
    `<title id="plot-title">${written(facts.quantity)} in ${written(facts.unit)}</title>`,
    `<desc id="plot-description">${written(described(facts), 2_000)}</desc>`,
    hatching,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    ...facts.gaps.slice(0, drawnMax).map((gap) => gapDrawn(gap, scale)),
    ...facts.breaches.slice(0, drawnMax).map((breach) => breachDrawn(breach, scale)),
    ...boundsDrawn(facts, scale),
    ...axes(facts, scale),
    `<path d="${pathOf(facts.series, facts.gaps, scale)}" fill="none" stroke="#0b3d91" stroke-width="1.5" stroke-linecap="round"/>`,
    ...facts.steps.slice(0, drawnMax).map((step, at) => stepDrawn(step, at, scale)),
    '</svg>',
    '',
  ].join('\n');
}

/** Told apart by shape too, for those who do not see colours. */
const hatching =
  '<defs><pattern id="gap" width="8" height="8" patternUnits="userSpaceOnUse"><path d="M0 8L8 0" stroke="#888"/></pattern></defs>';

function scaleOf({ series, bounds, steps, gaps, breaches }: PlotFacts): Scale {
  const times = [...series, ...steps].map(({ at }) => at);
  const spans = [...gaps, ...breaches].flatMap(({ from, until }) => [from, until ?? from]);
  const [from, until] = extent([...times, ...spans], 0);
  const limits = [bounds.low, bounds.high].filter((value) => value !== undefined);
  const [least, most] = extent([...series.map(({ value }) => value), ...limits], 1);
  const room = (most - least) * 0.08;
  const [low, high] = [least - room, most + room];
  const across = field.right - field.left;
  const up = field.bottom - field.top;
  return {
    ...{ from, until, low, high },
    x: (at) => field.left + ((at - from) / (until - from)) * across,
    y: (value) => field.bottom - ((value - low) / (high - low)) * up,
  };
}

/** Never of no width: one point, or none, is drawn too. */
function extent(values: readonly number[], around: number): [number, number] {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const value of values) [low, high] = [Math.min(low, value), Math.max(high, value)];
  if (values.length === 0) return [0, 1];
  return low === high ? [low - around, high + (around || 1)] : [low, high];
}

function gapDrawn(gap: Gap, scale: Scale): string {
  const { from, until = scale.until } = gap;
  const words = written(causeOf(gap), 40);
  const middle = (scale.x(from) + scale.x(until)) / 2;
  return `${band(from, until, scale, 'url(#gap)')}<text x="${round(middle)}" y="${field.bottom - 6}" text-anchor="middle" fill="#444" stroke="#fff" stroke-width="3" paint-order="stroke">${words}</text>`;
}

const causes = { refused: 'refused', silent: 'silent', no_gate: 'no gate', unbound: 'no tracker' } as const;
const causeOf = ({ cause, reason }: Gap) => (reason === undefined ? causes[cause] : `${causes[cause]}: ${reason}`);

function breachDrawn({ from, until }: PlotFacts['breaches'][number], scale: Scale): string {
  const x = round(scale.x(from));
  const mark = `<path d="M${x} ${field.top}l6 -10h-12z" fill="#b00020"/><text x="${x + 9}" y="${field.top - 2}" fill="#b00020">breach</text>`;
  return `${band(from, until ?? scale.until, scale, '#fbd3d8')}${mark}`;
}

function band(from: number, until: number, scale: Scale, fill: string): string {
  const x = round(scale.x(from));
  const width = Math.max(1, round(scale.x(until) - scale.x(from)));
  return `<rect x="${x}" y="${field.top}" width="${width}" height="${field.bottom - field.top}" fill="${fill}"/>`;
}

function boundsDrawn({ bounds }: PlotFacts, scale: Scale): string[] {
  return [bounds.low, bounds.high].flatMap((value) => {
    if (value === undefined) return [];
    const y = round(scale.y(value));
    return [
      `<path d="M${field.left} ${y}H${field.right}" stroke="#b00020" stroke-dasharray="6 4"/><text x="${field.left - 6}" y="${y + 4}" text-anchor="end" fill="#b00020">${value}</text>`,
    ];
  });
}

function axes({ unit }: PlotFacts, scale: Scale): string[] {
  const ends = [
    ['start', field.left, scale.from],
    ['end', field.right, scale.until],
  ] as const;
  return [
    `<path d="M${field.left} ${field.top}V${field.bottom}H${field.right}" fill="none" stroke="#222"/>`,
    `<text x="${field.left - 6}" y="${field.top - 8}" text-anchor="end">${written(unit, 8)}</text>`,
    ...ends.map(
      ([anchor, x, at]) => `<text x="${x}" y="${field.bottom + 18}" text-anchor="${anchor}">${minute(at)}</text>`,
    ),
  ];
}

function stepDrawn({ name, at }: PlotFacts['steps'][number], index: number, scale: Scale): string {
  const x = round(scale.x(at));
  const y = 16 + (index % 5) * 15;
  const anchor = x > (field.left + field.right) / 2 ? 'end' : 'start';
  return `<path d="M${x} ${y + 2}V${field.bottom}" stroke="#222" stroke-dasharray="1 3"/><circle cx="${x}" cy="${field.bottom}" r="3" fill="#222"/><text x="${anchor === 'end' ? x - 3 : x + 3}" y="${y + 8}" text-anchor="${anchor}">${written(name, 24)}</text>`;
}

function described({ quantity, unit, series, bounds, steps, gaps, breaches }: PlotFacts): string {
  const [least, most] = extent(
    series.map(({ value }) => value),
    0,
  );
  const parts = [
    series.length === 0
      ? `no reading of ${quantity}`
      : `${quantity} between ${hundredth(least)} and ${hundredth(most)} ${unit}`,
    `bounds ${bounds.low ?? 'none'} to ${bounds.high ?? 'none'}`,
    ...steps.map(({ name, at }) => `step ${name} at ${minute(at)}`),
    ...gaps.map((gap) => `gap (${causeOf(gap)}) ${spanOf(gap)}`),
    ...breaches.map((breach) => `breach ${spanOf(breach)}`),
  ];
  return `${parts.slice(0, 2 + 3 * drawnMax).join('; ')}.`;
}

const spanOf = ({ from, until }: { from: number; until?: number | undefined }) =>
  until === undefined ? `since ${minute(from)}` : `from ${minute(from)} to ${minute(until)}`;
const minute = (at: number) => `${new Date(at).toISOString().slice(0, 16).replace('T', ' ')}Z`;
const hundredth = (value: number) => Math.round(value * 100) / 100;
const round = (value: number) => Number(value.toFixed(1));
