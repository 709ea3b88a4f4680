import {
  type AttributeType,
  AttributeTypeView,
  isExactNumber,
  PortcullisError,
  parseAssignment,
} from '@portcullis/contract';
import type { FleetClient } from './fleet-client.ts';
import type { Output } from './output.ts';

export interface Assignments {
  values: Record<string, unknown>;
  /** Names whose values look like numbers and were taken as strings. */
  takenAsString: string[];
}

/** Whether each is one, before anybody is asked about it. @throws {PortcullisError} `usage` */
export function requireAssignments(words: readonly string[]): void {
  const names = words.map((word) => parseAssignment(word).name);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new PortcullisError('usage', `"${twice}" is assigned twice; give it one value`);
}

/** What `K=V` means where K may have a type in the fleet. What was taken otherwise than it looks is said. */
export async function readAssignments(
  words: readonly string[],
  client: FleetClient,
  output: Output,
): Promise<Assignments> {
  const types = await typesOf(words, client);
  const assignments: Assignments = { values: {}, takenAsString: [] };
  for (const word of words) {
    const { name, value, asText } = parseAssignment(word, (known) => types.get(known));
    assignments.values[name] = value;
    if (asText) assignments.takenAsString.push(name);
    if (asText) output.notice(stringWords(name, String(value)));
    else if (typeof value === 'number' && types.has(name) && types.get(name) === undefined) {
      output.notice(`${name} is new in this fleet: a number from now on (${name}:="${value}" is a string)`);
    }
  }
  return assignments;
}

function stringWords(name: string, text: string): string {
  const number = isExactNumber(text) ? `; ${name}:=${Number(text)} is the number` : '';
  return `${name}="${text}" is taken as a string, since a number would come back as ${Number(text)}${number}`;
}

/** The types of the names whose values look like something else than a string; undefined: it has none yet. */
async function typesOf(words: readonly string[], client: FleetClient): Promise<Map<string, AttributeType | undefined>> {
  const types = new Map<string, AttributeType | undefined>();
  for (const word of words) {
    const { name, value, asText } = parseAssignment(word);
    const forced = word.startsWith(`${name}:=`);
    if (!forced && (asText || typeof value !== 'string')) types.set(name, await typeOf(name, client));
  }
  return types;
}

async function typeOf(name: string, client: FleetClient): Promise<AttributeType | undefined> {
  try {
    return (await client.get(`/v1/attribute-types/${encodeURIComponent(name)}`, AttributeTypeView)).type;
  } catch (error) {
    // What is wrong with a name, its use says. An authority of an earlier version does not know the route.
    const unknown: readonly string[] = ['attribute_unknown', 'route_unknown', 'request_malformed'];
    if (error instanceof PortcullisError && unknown.includes(error.code)) return undefined;
    throw error;
  }
}
