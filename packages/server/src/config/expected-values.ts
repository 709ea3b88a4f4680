import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { AttributeName, PortcullisError, SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import { Expectation } from './expectation.ts';
import { parseJson } from './parse-json.ts';
import { openRegular, unreadable } from './regular-file.ts';

/** What a file of expected values holds of one subject; `ambiguous`: two lines name it, and neither counts. */
export type ExpectedOfSubject = Readonly<Record<string, Expectation>> | 'ambiguous';

/** A file of expected values in memory. */
export interface ExpectedValues {
  /** The attributes that its lines name. */
  readonly attributes: readonly string[];
  of(subject: string): ExpectedOfSubject | undefined;
}

interface ReadValues {
  values: ExpectedValues;
  digest: string;
  /** Somebody beside its owner may read the file. */
  readableByOthers: boolean;
}

/** A file is held in memory whole; so large it may be. */
const fileBytesMax = 256 * 1024 * 1024;
const lineBytesMax = 65_536;

const Line = z
  .object({ subject: SubjectId })
  .catchall(Expectation)
  .refine((line) => Object.keys(line).length > 1, 'a line must expect something of its subject');

/**
 * NDJSON, `{"subject": "truck-17", "seal": "9f3c…"}` a line: what the gate expects of each subject. No error quotes a value: it is
 * what a thief of the attribute store does not have. @throws {PortcullisError} `config_invalid`
 */
export async function readExpectedValues(file: string): Promise<ReadValues> {
  const { descriptor, readableByOthers } = openRegular(file, fileBytesMax);
  const values = new Map<string, ExpectedOfSubject>();
  const names = new Set<string>();
  const hash = createHash('sha256');
  let number = 0;
  for await (const line of linesOf(file, descriptor, hash)) {
    number++;
    if (line.trim() === '') continue;
    const { subject, ...expected } = parseLine(file, number, line);
    for (const name of Object.keys(expected)) names.add(name);
    values.set(subject, values.has(subject) ? 'ambiguous' : expected);
  }
  const digest = hash.digest('hex');
  return { values: { attributes: [...names], of: (subject) => values.get(subject) }, digest, readableByOthers };
}

async function* linesOf(file: string, descriptor: number, hash: Hash): AsyncGenerator<string> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  const decode = (bytes?: Buffer): string => {
    try {
      return decoder.decode(bytes, { stream: bytes !== undefined });
    } catch {
      throw invalid(file, undefined, 'it is not UTF-8');
    }
  };
  let rest = '';
  for await (const bytes of bytesOf(file, descriptor)) {
    hash.update(bytes);
    const lines = (rest + decode(bytes)).split('\n');
    rest = lines.pop() as string;
    yield* lines;
    if (rest.length > lineBytesMax) throw invalid(file, undefined, `a line has more than ${lineBytesMax} bytes`);
  }
  rest += decode();
  if (rest !== '') yield rest;
}

async function* bytesOf(file: string, descriptor: number): AsyncGenerator<Buffer> {
  const stream: AsyncIterable<Buffer> = createReadStream(file, { fd: descriptor });
  try {
    yield* stream;
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

function parseLine(file: string, number: number, line: string): z.infer<typeof Line> {
  let parsed: unknown;
  try {
    parsed = parseJson(line, true);
  } catch (error) {
    throw invalid(file, number, (error as Error).message);
  }
  const misnamed = Object.keys(Object(parsed)).find((name) => !AttributeName.safeParse(name).success);
  if (misnamed !== undefined) throw invalid(file, number, `"${misnamed.slice(0, 64)}" is not the name of an attribute`);
  const checked = Line.safeParse(parsed);
  if (checked.success) return checked.data;
  const [issue] = checked.error.issues;
  const where = issue?.path.length ? `"${issue.path.join('.')}": ` : '';
  throw invalid(file, number, `${where}${issue?.code === 'invalid_union' ? expectationWords : issue?.message}`);
}

const expectationWords = 'must be a string, a number, a boolean, {"min", "max"} or {"in": [...]}';

function invalid(file: string, line: number | undefined, why: string): PortcullisError {
  return new PortcullisError('config_invalid', `${file}${line === undefined ? '' : `:${line}`}: ${why}`);
}
