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
  name: string;
  kinds: readonly Kind[];
  expect: readonly [string, Expectation][];
  condition: Condition | undefined;
}

/** The gate's own knowledge: what it expects on each stream. Rows keep the number of the policy that they were judged by. */
export interface Policy {
  number: number;
  streams: ReadonlyMap<string, Stream>;
  /** All attributes that some stream looks at; the feed carries no others. */
  attributes: string[];
}

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
    return {
      name,
      kinds,
      expect: Object.entries(expect),
      condition: when === undefined ? undefined : compileCondition(when),
    };
  } catch (cause) {
    throw new PortcullisError('config_invalid', `stream "${name}": when: ${(cause as Error).message}`, { cause });
  }
}
