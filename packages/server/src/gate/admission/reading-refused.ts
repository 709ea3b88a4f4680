import { inexactNumberWords } from '@portcullis/contract';
import type { Replica } from '../../replica/replica.ts';
import type { Bearer } from '../connections/bearer.ts';
import type { Stream } from '../policy/policy.ts';
import type { ReadingSchema } from '../policy/reading-schema.ts';
import { judgeTraced } from '../policy/traced-reading.ts';
import type { Refused } from './admit.ts';
import { conditionRefused } from './condition-refused.ts';

type Reading = Record<string, unknown>;

/** What a stream requires of each reading: its schema, then its condition. The first that fails is named by its line. */
export function readingsRefused(
  data: readonly Reading[],
  bearer: Bearer,
  stream: Stream,
  replica: Replica,
): Refused | undefined {
  const conditional = stream.condition?.readsReading === true;
  if (!stream.schema && !conditional) return undefined;
  for (const [index, reading] of data.entries()) {
    const { verdict, inexact } = judgeTraced(reading, () => readingRefused(reading, bearer, stream, replica));
    const refused = inexact === undefined ? verdict : inexactRefused(inexact);
    if (refused) return { ...refused, line: index + 1 };
  }
  return undefined;
}

function readingRefused(reading: Reading, bearer: Bearer, stream: Stream, replica: Replica): Refused | undefined {
  const refused = stream.schema && schemaRefused(stream.schema, reading);
  if (refused || stream.condition?.readsReading !== true) return refused;
  return conditionRefused(bearer, stream, replica, reading);
}

/** Whatever was found of the nearest double is not found of the number. */
const inexactRefused = (number: string): Refused => ({
  reason: 'number_inexact',
  found: number,
  detail: inexactNumberWords(number),
});

const pathLengthMax = 200;

/** A device may know where its own reading departs from the schema; operators see the keyword and the value too. */
function schemaRefused(schema: ReadingSchema, reading: Reading): Refused | undefined {
  const mismatch = schema.mismatchOf(reading);
  if (mismatch === undefined) return undefined;
  const { path, must, expected, found } = mismatch;
  const where = path === '' ? 'the reading' : `"${path.slice(0, pathLengthMax)}"`;
  return { reason: 'schema_not_met', expected, found: found ?? null, detail: `${where} ${must}` };
}
