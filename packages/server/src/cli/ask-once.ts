import { setTimeout as after } from 'node:timers/promises';
import { PortcullisError, requestIdHeader } from '@portcullis/contract';
import { type Link, type LinkAnswer, problemOf } from '@portcullis/device/client';
import type { System } from '../telemetry/telemetry.ts';

/** Longer than a take-over, with the start of who takes over. */
const patienceMs = 15_000;
const pauseMs = 300;

/** Of an authority that ends: what it said of the change is not the last word, or somebody else has it. */
const passing: ReadonlySet<string> = new Set(['not_leader', 'authority_stopping', 'store_unavailable']);

interface AskedOnce {
  url: string;
  body: string;
  timeoutMs?: number;
  /** Another authority may take over. */
  isOneOfMany: boolean;
}

/**
 * Asks for a change that is made once, however often it is asked for: again, by the same request id, while nobody knows how it ended, or while
 * of several authorities none leads. @throws {PortcullisError} as `Link.request`
 */
export async function askOnce(
  link: Pick<Link, 'request'>,
  { url, body, timeoutMs, isOneOfMany }: AskedOnce,
  system: Pick<System, 'random' | 'monotonic'>,
): Promise<LinkAnswer> {
  const id = system.random(16).toString('hex');
  const request = {
    url,
    method: 'POST',
    body,
    headers: { [requestIdHeader]: id },
    ...(timeoutMs !== undefined && { timeoutMs }),
  } as const;
  let until: number | undefined;
  for (;;) {
    const tried = await once(link, request);
    const { failure } = tried;
    if (!failure) return tried.answer;
    // Before anything left this machine, or nobody listens at all, there is nothing to wait for.
    const isOpen = isInDoubt(failure) || (isOneOfMany && passing.has(failure.code)) || until !== undefined;
    if (!isOpen || !mayPass(failure)) throw failure;
    until ??= system.monotonic() + patienceMs;
    if (system.monotonic() >= until) throw failure;
    await after(pauseMs);
  }
}

type Tried = { answer: LinkAnswer; failure?: undefined } | { failure: PortcullisError };

async function once(link: Pick<Link, 'request'>, request: Parameters<Link['request']>[0]): Promise<Tried> {
  try {
    const answer = await link.request(request);
    return answer.status === 503 || answer.status === 307 ? { failure: problemOf(answer) } : { answer };
  } catch (error) {
    if (error instanceof PortcullisError) return { failure: error };
    throw error;
  }
}

const mayPass = ({ code }: PortcullisError) => passing.has(code) || code === 'server_unreachable';
const isInDoubt = ({ code, detail }: PortcullisError) =>
  code === 'server_unreachable' && (detail as { begun?: boolean } | undefined)?.begun === true;
