import { type Kind, PortcullisError } from '@portcullis/contract';
import { type Condition, compileCondition } from '../../expressions/expressions.ts';
import type { Expectation } from './expectations.ts';
import { compileReadingSchema, type JsonSchema, type ReadingSchema } from './reading-schema.ts';

/** What is expected of each subject beside what a stream expects of all. */
export interface ExpectedValues {
  /** The attributes that it names, of all subjects together. */
  readonly attributes: readonly string[];
  /** `ambiguous`: the subject was named twice, and neither counts. */
  of(subject: string): Readonly<Record<string, Expectation>> | 'ambiguous' | undefined;
}

/** A stream as `gate.yaml` and its files have it. */
export interface StreamConfig {
  kinds: Kind[];
  expect: Record<string, Expectation>;
  when?: string | undefined;
  schema?: JsonSchema | undefined;
  expected?: ExpectedValues | undefined;
  /** A proxy that asks is answered though it shows no reading. */
  decide?: 'admission-only' | undefined;
}

export interface Stream {
  readonly name: string;
  readonly kinds: readonly Kind[];
  readonly expect: readonly (readonly [string, Expectation])[];
  readonly condition: Condition | undefined;
  readonly schema: ReadingSchema | undefined;
  /** The second factor: what a thief of the attribute store does not have. */
  readonly expected: ExpectedValues | undefined;
  /** Nothing of it looks at the reading, or its file says that who shows none is answered all the same. */
  readonly isDecidable: boolean;
}

/** The gate's own knowledge: what it expects on each stream. Rows keep the number of the policy that they were judged by. */
export interface Policy {
  readonly number: number;
  readonly streams: ReadonlyMap<string, Stream>;
  /** What is expected of whoever carries the seals of others. */
  readonly carry: Stream;
  /** What is expected of a proxy that asks over the network; undefined: none may. */
  readonly ask: Stream | undefined;
  /** All attributes that some stream looks at; the feed carries no others. */
  readonly attributes: readonly string[];
}

/** What operators ask a gate for. They are judged on the same way as devices. */
export const operations: Stream = {
  ...{ name: 'operations', kinds: ['operator'], expect: [] },
  ...{ condition: undefined, schema: undefined, expected: undefined, isDecidable: false },
};

/** Whoever carries, unless the gate's file says otherwise. */
export const carryUsual: StreamConfig = { kinds: ['gateway'], expect: {} };

/** The names travel in the query of the feed. */
const namesLengthMax = 8_192;

/** @throws {PortcullisError} `config_invalid` */
export function compilePolicy(
  configs: Record<string, StreamConfig>,
  number: number,
  carrying: StreamConfig = carryUsual,
  asking?: StreamConfig,
): Policy {
  const streams = new Map(Object.entries(configs).map(([name, config]) => [name, compileStream(name, config)]));
  const names = new Set<string>();
  const carry = compileStream('carry', carrying);
  const ask = asking && compileStream('decide', asking);
  for (const { expect, condition, expected } of [...streams.values(), carry, ...(ask ? [ask] : [])]) {
    for (const [attribute] of expect) names.add(attribute);
    for (const attribute of condition?.attributes ?? []) names.add(attribute);
    for (const attribute of expected?.attributes ?? []) names.add(attribute);
  }
  const attributes = [...names].sort();
  if (attributes.join(',').length > namesLengthMax) {
    throw new PortcullisError('config_invalid', `the streams name ${attributes.length} attributes, which is too many`);
  }
  return { number, streams, carry, ask, attributes };
}

function compileStream(name: string, { kinds, expect, when, schema, expected, decide }: StreamConfig): Stream {
  const condition = when === undefined ? undefined : named(name, 'when', () => compileCondition(when));
  const compiled = schema === undefined ? undefined : named(name, 'schema', () => compileReadingSchema(schema));
  const isDecidable = decide === 'admission-only' || !(compiled || condition?.readsReading);
  return { name, kinds, expect: Object.entries(expect), condition, schema: compiled, expected, isDecidable };
}

function named<Compiled>(stream: string, key: string, compile: () => Compiled): Compiled {
  try {
    return compile();
  } catch (cause) {
    throw new PortcullisError('config_invalid', `stream "${stream}": ${key}: ${(cause as Error).message}`, { cause });
  }
}
