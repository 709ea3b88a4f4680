import { createHash, type Hash } from 'node:crypto';
import { createReadStream, existsSync, statSync } from 'node:fs';
import { AttributeName, PortcullisError, SubjectId } from '@portcullis/contract';
import { z } from 'zod';
import { Expectation } from './gate-config.ts';

/** What a file of expected values holds of one subject; `ambiguous`: two lines name it, and neither counts. */
export type ExpectedOfSubject = Readonly<Record<string, Expectation>> | 'ambiguous';

/** A file of expected values in memory. */
export interface ExpectedValues {
  /** The attributes that its lines name. */
  readonly attributes: readonly string[];
  of(subject: string): ExpectedOfSubject | undefined;
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
export async function readExpectedValues(file: string): Promise<{ values: ExpectedValues; digest: string }> {
  if (!existsSync(file)) throw invalid(file, undefined, 'the file does not exist');
  if (statSync(file).size > fileBytesMax) throw invalid(file, undefined, `it has more than ${fileBytesMax} bytes`);
  const values = new Map<string, ExpectedOfSubject>();
  const names = new Set<string>();
  const hash = createHash('sha256');
  let number = 0;
  for await (const line of linesOf(file, hash)) {
    number++;
    if (line.trim() === '') continue;
    const { subject, ...expected } = parseLine(file, number, line);
    for (const name of Object.keys(expected)) names.add(name);
    values.set(subject, values.has(subject) ? 'ambiguous' : expected);
  }
  return { values: { attributes: [...names], of: (subject) => values.get(subject) }, digest: hash.digest('hex') };
}

async function* linesOf(file: string, hash: Hash): AsyncGenerator<string> {
  let rest = '';
  const stream = createReadStream(file);
  stream.on('data', (bytes) => hash.update(bytes));
  stream.setEncoding('utf8');
  for await (const text of stream as AsyncIterable<string>) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() as string;
    yield* lines;
    if (rest.length > lineBytesMax) throw invalid(file, undefined, `a line has more than ${lineBytesMax} bytes`);
  }
  if (rest !== '') yield rest;
}

function parseLine(file: string, number: number, line: string): z.infer<typeof Line> {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    // The parser's words would quote the line.
    throw invalid(file, number, 'the line is not JSON');
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
