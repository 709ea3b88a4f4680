/** A flame graph of a profile of V8: who called whom, each as wide as the time that was spent in it. `node bench/flame.ts FILE.cpuprofile > FILE.svg` */
import { readFileSync } from 'node:fs';

export interface Profile {
  nodes: {
    id: number;
    callFrame: { functionName: string; url: string; lineNumber: number };
    children?: number[];
  }[];
  samples: number[];
  timeDeltas: number[];
}

export interface Frame {
  name: string;
  /** The folder or module that it belongs to. */
  area: string;
  /** Microseconds, its callees' among them. */
  total: number;
  own: number;
  children: Frame[];
}

const [width, rowHeight, narrowest] = [1_200, 17, 0.35];

/** Not spent on anything of the program's, or on looking at it. */
const outside = new Set(['(idle)', '(program)']);

/** Without what was idle; calls of the same function from the same one are one frame. */
export function framesOf({ nodes, samples, timeDeltas }: Profile): Frame {
  const own = new Map<number, number>();
  for (const [index, id] of samples.entries()) own.set(id, (own.get(id) ?? 0) + (timeDeltas[index] ?? 0));
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const read = (id: number): Frame => {
    const { callFrame, children = [] } = byId.get(id) as Profile['nodes'][number];
    const below = merged(
      children.map(read).filter(({ name, area }) => !outside.has(name) && area !== 'node:inspector'),
    );
    const spent = own.get(id) ?? 0;
    const name = callFrame.functionName || '(unnamed)';
    return {
      name,
      area: areaOf(callFrame.url, name),
      own: spent,
      total: below.reduce((sum, { total }) => sum + total, spent),
      children: below,
    };
  };
  return read((nodes[0] as Profile['nodes'][number]).id);
}

function merged(frames: Frame[]): Frame[] {
  const byName = new Map<string, Frame>();
  for (const frame of frames) {
    const key = `${frame.area} ${frame.name}`;
    const known = byName.get(key);
    byName.set(key, known ? joined(known, frame) : frame);
  }
  return [...byName.values()].filter(({ total }) => total > 0).toSorted((one, other) => other.total - one.total);
}

const joined = (one: Frame, other: Frame): Frame => ({
  ...one,
  ...{
    own: one.own + other.own,
    total: one.total + other.total,
    children: merged([...one.children, ...other.children]),
  },
});

function areaOf(url: string, name: string): string {
  if (name.startsWith('(')) return name;
  const ours = /packages\/([a-z]+)\/(?:src|dist)\/(.*?)\/?[^/]*$/.exec(url);
  if (ours) return ours[1] === 'server' ? (ours[2] ?? '') : (ours[1] ?? '');
  return (
    /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(url)?.[1] ??
    (url === '' ? 'native' : url.replace(/^node:internal\//, 'node:'))
  );
}

/** Own time by area, the most first: each as a share of all. */
export function areasOf(root: Frame): [area: string, share: number][] {
  const spent = new Map<string, number>();
  const add = ({ area, own, children }: Frame): void => {
    spent.set(area, (spent.get(area) ?? 0) + own);
    for (const child of children) add(child);
  };
  add(root);
  return [...spent]
    .map(([area, own]) => [area, own / root.total] as [string, number])
    .toSorted((one, other) => other[1] - one[1]);
}

const escaped = (text: string) => text.replace(/[&<>"]/g, (letter) => `&#${letter.charCodeAt(0)};`);

/** Ours are warm, Node's own are cold. */
function colourOf(area: string): string {
  const hue = [...area].reduce((sum, letter) => (sum * 31 + letter.charCodeAt(0)) % 40, 7);
  if (area.startsWith('(') || area === 'native') return `hsl(0 0% ${70 + (hue % 15)}%)`;
  return area.startsWith('node:') ? `hsl(${190 + hue} 45% 72%)` : `hsl(${10 + hue} 80% 70%)`;
}

export function flameGraph(root: Frame, title: string): string {
  const boxes: string[] = [];
  let deepest = 0;
  const draw = (frame: Frame, left: number, depth: number): void => {
    const wide = (frame.total / root.total) * width;
    if (wide < narrowest) return;
    deepest = Math.max(deepest, depth);
    const share = `${((100 * frame.total) / root.total).toFixed(1)} %`;
    const name = escaped(frame.name);
    const shown = frame.name.slice(0, Math.floor(wide / 6.2) - 1);
    const text =
      shown.length > 2
        ? `<text x="${(left + 2).toFixed(1)}" y="${depth * rowHeight + 42}">${escaped(shown)}</text>`
        : '';
    boxes.push(
      `<g><title>${name} · ${escaped(frame.area)} · ${share}</title><rect x="${left.toFixed(1)}" y="${depth * rowHeight + 30}" width="${wide.toFixed(1)}" height="16" fill="${colourOf(frame.area)}"/>${text}</g>`,
    );
    let at = left;
    for (const child of frame.children) {
      draw(child, at, depth + 1);
      at += (child.total / root.total) * width;
    }
  };
  draw(root, 0, 0);
  const height = (deepest + 1) * rowHeight + 40;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="monospace" font-size="10.5">
<title>${escaped(title)}</title>
<rect width="100%" height="100%" fill="#fff"/><text x="4" y="18" font-size="13">${escaped(title)}</text>
${boxes.join('\n')}
</svg>
`;
}

if (process.argv[1] === import.meta.filename) {
  const [file = ''] = process.argv.slice(2);
  process.stdout.write(flameGraph(framesOf(JSON.parse(readFileSync(file, 'utf8')) as Profile), file));
}
