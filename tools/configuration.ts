/** The keys of the configuration files, nested ones too: their shape from the schemas, their meaning from the comment where each is defined. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { DeskFile, FleetFile, GateFile, JourneyFile, RuleFile } from '../packages/server/src/config/config.ts';

const folder = join(import.meta.dirname, '../packages/server/src/config');
/** `sections`: what lies below a key is defined in a file of its own. */
const files: Record<
  'fleet.yaml' | 'desk.yaml' | 'gate.yaml' | 'journeys/NAME.yaml' | 'rules/NAME.yaml',
  { shape: z.ZodType; sources: readonly string[]; sections?: Readonly<Record<string, string>> }
> = {
  'fleet.yaml': {
    ...{ shape: FleetFile, sources: ['fleet-config.ts', 'figures-address.ts'] },
    sections: {
      alerts: 'alerts-config.ts',
      keys: 'keys-config.ts',
      profiles: 'profiles-config.ts',
      signals: 'signals-config.ts',
    },
  },
  'desk.yaml': {
    ...{ shape: DeskFile, sources: ['desk-config.ts', 'figures-address.ts'] },
    sections: { public: 'public-config.ts' },
  },
  'gate.yaml': {
    shape: GateFile,
    sources: ['gate-config.ts', 'figures-address.ts'],
    sections: { carry: 'carry-config.ts' },
  },
  'rules/NAME.yaml': { shape: RuleFile, sources: ['rule-config.ts'] },
  'journeys/NAME.yaml': { shape: JourneyFile, sources: ['journey-file.ts'] },
};
export type ConfigurationFile = keyof typeof files;

interface Node {
  type?: string;
  default?: unknown;
  enum?: unknown[];
  anyOf?: Node[];
  items?: Node;
  minimum?: number;
  maximum?: number;
  minItems?: number;
  maxItems?: number;
  maxLength?: number;
  properties?: Record<string, Node>;
  required?: string[];
  additionalProperties?: Node | boolean;
}

/** Path, default, what is allowed, meaning: one row a key that a value stands under. */
export function configurationKeys(file: ConfigurationFile): string[][] {
  const { shape, sources, sections = {} } = files[file];
  const meanings = meaningsIn(sources);
  const below = new Map(Object.entries(sections).map(([key, source]) => [key, meaningsIn([source])]));
  const root = z.toJSONSchema(shape, { io: 'input', unrepresentable: 'any' }) as Node;
  return [...rowsOf(root, '')].map(({ path, node, required }) => {
    const [first = '', ...inner] = path.split('.');
    const meaning = ((inner.length > 0 && below.get(first)) || meanings).get(inner.at(-1) ?? first);
    if (meaning === undefined) throw new Error(`${file}: "${path}" has no comment where it is defined`);
    const usual = node.default === undefined ? required : `\`${JSON.stringify(node.default)}\``;
    return [`\`${path}\``, usual, allowedBy(node), meaning];
  });
}

interface Row {
  path: string;
  node: Node;
  /** Empty: it may be left out. */
  required: string;
}

function* rowsOf({ properties = {}, required = [] }: Node, before: string, wherever = 'must be given'): Generator<Row> {
  for (const [key, node] of Object.entries(properties)) {
    const path = `${before}${key}`;
    const named = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
    const holds = node.properties === undefined || named !== undefined;
    if (holds) yield { path, node, required: required.includes(key) ? wherever : '' };
    const inner = required.includes(key) ? wherever : `must be given with \`${path}\``;
    if (node.properties) yield* rowsOf(node, `${path}.`, inner);
    if (named?.properties) yield* rowsOf(named, `${path}.NAME.`);
    if (node.items?.properties) yield* rowsOf(node.items, `${path}[].`, 'must be given');
  }
}

function allowedBy(node: Node): string {
  const { type, minimum, maximum, minItems, maxItems, maxLength } = node;
  if (node.enum) return node.enum.map((one) => `\`${one}\``).join(', ');
  const named = typeof node.additionalProperties === 'object' ? node.additionalProperties : undefined;
  if (named) return named.properties ? 'by name' : `by name: ${allowedBy(named)}`;
  if (node.anyOf) return [...new Set(node.anyOf.map(allowedBy))].join(', or ');
  if (node.properties) return `{${Object.keys(node.properties).join(', ')}}`;
  if (type === 'array') {
    const most = maxItems === undefined ? '' : ` to ${maxItems}`;
    return `list of ${minItems ?? 0}${most || ' or more'}${node.items?.enum ? `: ${allowedBy(node.items)}` : ''}`;
  }
  if (type === 'integer') return `${minimum} to ${maximum}`;
  return maxLength === undefined ? (type ?? '') : `${type}, at most ${maxLength} characters`;
}

/** By the last part of a key's path; within one file no two keys share it. */
function meaningsIn(sources: readonly string[]): Map<string, string> {
  const found = new Map<string, string>();
  for (const source of sources) {
    const text = readFileSync(join(folder, source), 'utf8');
    for (const [, comment = '', key = ''] of text.matchAll(/\/\*\* ([^\n]+) \*\/\n\s+(\w+): /g)) {
      if (found.has(key)) throw new Error(`${sources.join(', ')}: two keys are called "${key}"`);
      found.set(key, comment);
    }
  }
  return found;
}
