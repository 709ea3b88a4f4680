import { PortcullisError, ReservedMembers } from '@portcullis/contract';

/** What a reading may be given besides its data; what is not given is made. */
export interface Given {
  id?: string;
  /** RFC 3339. */
  time?: string;
}

/** @throws {PortcullisError} `usage`: no gate would ever take such a reading */
export function requireReading(data: Record<string, unknown>, { id, time }: Given): void {
  const reserved = Object.keys(data).find((name) => name.startsWith('_'));
  if (reserved !== undefined) {
    const message = `member "${reserved}" begins with "_", which is reserved; allowed are _id and _time`;
    throw new PortcullisError('usage', message);
  }
  const parsed = ReservedMembers.safeParse({ _id: id, _time: time });
  if (parsed.success) return;
  const [issue] = parsed.error.issues;
  throw new PortcullisError('usage', `member "${String(issue?.path[0])}": ${issue?.message}`);
}

/** One line of JSON: its `_id` and `_time` are the reading's own. @throws {PortcullisError} `usage`, naming the line */
export function parseLine(text: string, line: number): { data: Record<string, unknown>; given: Given } {
  try {
    const { _id: id, _time: time, ...data } = objectIn(text);
    const given = { ...(id !== undefined && { id }), ...(time !== undefined && { time }) } as Given;
    requireReading(data, given);
    return { data, given };
  } catch (cause) {
    throw new PortcullisError('usage', `line ${line}: ${(cause as Error).message}`, { cause });
  }
}

function objectIn(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new PortcullisError('usage', 'this is not JSON; each line must be one JSON object', { cause });
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new PortcullisError('usage', 'this is not a JSON object; each line must be one');
}
