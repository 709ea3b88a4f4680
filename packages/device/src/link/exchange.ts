import { PortcullisError, Problem } from '@portcullis/contract';
import type { Link, LinkAnswer } from './link.ts';

interface Shape<Value> {
  safeParse(value: unknown): { success: true; data: Value } | { success: false };
}

/** Posts JSON and parses the answer by its schema. @throws {PortcullisError} with the code of the problem that was answered */
export async function exchange<Value>(
  link: Link,
  url: string,
  body: unknown,
  shape: Shape<Value>,
  timeoutMs?: number,
): Promise<Value> {
  const bound = timeoutMs === undefined ? {} : { timeoutMs };
  const answer = await link.request({ url, method: 'POST', body: JSON.stringify(body), ...bound });
  if (![200, 201, 202].includes(answer.status)) throw problemOf(answer);
  const parsed = shape.safeParse(parseAnswer(answer));
  if (parsed.success) return parsed.data;
  throw new PortcullisError('answer_malformed', `the answer of ${url} does not fit its schema`);
}

export function problemOf(answer: LinkAnswer): PortcullisError {
  const parsed = Problem.safeParse(parseAnswer(answer));
  if (!parsed.success) {
    return new PortcullisError('answer_malformed', `the server answered ${answer.status} without saying why`);
  }
  const { reason, title, detail } = parsed.data;
  // RFC 9110 §10.2.3: our servers give seconds.
  const { 'retry-after': asked = '' } = answer.headers;
  const retryAfter = /^\d{1,9}$/.test(asked) ? { retryAfterSeconds: Number(asked) } : {};
  return new PortcullisError(reason as never, detail ?? title, { detail: { ...parsed.data, ...retryAfter } });
}

export function parseAnswer(answer: LinkAnswer): unknown {
  try {
    return JSON.parse(answer.body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
