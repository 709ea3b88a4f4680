import { type AttributeValue, plainJson } from '@portcullis/contract';
import type { Policy } from '../gate/gate.ts';

/** Why a stream admits nobody of whom these are held; undefined: it may. What its condition makes of a reading is not known. */
export function whyNotProvable(
  { streams }: Policy,
  { stream: name, held }: { stream: string; held: Readonly<Record<string, AttributeValue>> },
  mismatchOf: typeof import('../gate/gate.ts').mismatchOf,
): string | undefined {
  const stream = streams.get(name);
  if (!stream) return `gate.yaml has no stream "${name}"`;
  for (const [attribute, expected] of stream.expect) {
    const value = held[attribute];
    if (value === undefined || mismatchOf(expected, value) === undefined) continue;
    return `the stream "${name}" expects ${attribute} to be ${plainJson(expected)}, and does not admit ${plainJson(value)}`;
  }
  return undefined;
}
