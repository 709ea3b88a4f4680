import { type Kind, PortcullisError } from '@portcullis/contract';
import { type Condition, compileCondition } from './condition.ts';
import type { Expectation } from './expectations.ts';

/** A stream as `gate.yaml` has it. */
export interface StreamConfig {
  kinds: Kind[];
  expect: Record<string, Expectation>;
  when?: string | undefined;
}

export interface Stream {
  readonly name: string;
  readonly kinds: readonly Kind[];
  readonly expect: readonly (readonly [string, Expectation])[];
  readonly condition: Condition | undefined;
}

/** The gate's own knowledge: what it expects on each stream. Rows keep the number of the policy that they were judged by. */
export interface Policy {
  readonly number: number;
  readonly streams: ReadonlyMap<string, Stream>;
  /** All attributes that some stream looks at; the feed carries no others. */
  readonly attributes: readonly string[];
}

/** What operators ask a gate for. They are judged on the same way as devices. */
export const operations: Stream = { name: 'operations', kinds: ['operator'], expect: [], condition: undefined };

/** @throws {PortcullisError} `config_invalid` */
export function compilePolicy(configs: Record<string, StreamConfig>, number: number): Policy {
  const streams = new Map(Object.entries(configs).map(([name, config]) => [name, compileStream(name, config)]));
  const attributes = [...streams.values()].flatMap(({ expect, condition }) => [
    ...expect.map(([attribute]) => attribute),
    ...(condition?.attributes ?? []),
  ]);
  return { number, streams, attributes: [...new Set(attributes)].sort() };
}

function compileStream(name: string, { kinds, expect, when }: StreamConfig): Stream {
  try {
    const condition = when === undefined ? undefined : compileCondition(when);
    return { name, kinds, expect: Object.entries(expect), condition };
  } catch (cause) {
    throw new PortcullisError('config_invalid', `stream "${name}": when: ${(cause as Error).message}`, { cause });
  }
}
