import type { SealForm, StreamName } from '@portcullis/contract';
import { type Numbered, numberIn } from '../outbox/reading.ts';
import { makeSeal, type SealSigner, sealNameOf } from '../seal/seal.ts';
import type { System } from '../system.ts';

export interface SealedReadings {
  /** As it is named in an acknowledgement. */
  name: string;
  seal: Buffer;
  lines: readonly string[];
}

export interface SealingParts {
  form: SealForm;
  signer: SealSigner;
  stream: string;
  /** Milliseconds since 1970. */
  now: number;
  random: System['random'];
}

/** A signature and its check cost the same for one reading and for a hundred; a seal that is refused is refused whole. */
const readingsMax = 100;
const bytesMax = 128 * 1024;

/** Lines of an outbox under as few seals as may be: within one the run is the same, and numbers grow. */
export function sealReadings(
  lines: readonly string[],
  { form, signer, stream, now, random }: SealingParts,
): SealedReadings[] {
  return groupsOf(lines).map((group) => {
    const { run, sequence: seq } = numberIn(group[0] as string) ?? withoutNumber(random);
    const members = { stream: stream as StreamName, run, seq, time: timeIn(group[0] as string) ?? now };
    const seal = makeSeal(form, signer, { ...members, payload: Buffer.from(group.join('\n')) });
    return { name: sealNameOf(seal), seal, lines: group };
  });
}

function groupsOf(lines: readonly string[]): string[][] {
  const groups: string[][] = [];
  let [bytes, last]: [number, Numbered | undefined] = [0, undefined];
  for (const line of lines) {
    const number = numberIn(line);
    const group = groups.at(-1);
    const fits = group && group.length < readingsMax && bytes + line.length <= bytesMax && follows(number, last);
    if (fits) group.push(line);
    else groups.push([line]);
    bytes = (fits ? bytes : 0) + line.length;
    last = number;
  }
  return groups;
}

function follows(number: Numbered | undefined, last: Numbered | undefined): boolean {
  if (!number || !last) return number === last;
  return number.run === last.run && number.sequence > last.sequence;
}

/** Of a version that gave no numbers: a run of its own says that nothing is known of what came before. */
const withoutNumber = (random: System['random']): Numbered => ({ run: random(9).toString('base64url'), sequence: 1 });

function timeIn(line: string): number | undefined {
  const { _time } = JSON.parse(line) as { _time?: string };
  const time = Date.parse(_time ?? '');
  return Number.isNaN(time) ? undefined : time;
}
