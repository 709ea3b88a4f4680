import {
  DeskArrivalRequest,
  DeskConfirmationRequest,
  DeskEnrolmentRequest,
  DeskGatesRequest,
  DeskLookRequest,
  DeskNonceRequest,
  DeskRenewalRequest,
  DeskTimeRequest,
  PortcullisError,
} from '@portcullis/contract';
import { type Link, type LinkAnswer, problemOf } from '@portcullis/device';
import type { z } from 'zod';
import type { Told } from './answering.ts';

/** What is relayed, by its path: the same as at the authority's own listener, and there below `/v1/desk`. */
export const relayedPaths: ReadonlyMap<string, z.ZodType> = new Map<string, z.ZodType>([
  ['/v1/enrolments', DeskEnrolmentRequest],
  ['/v1/renewals/nonce', DeskNonceRequest],
  ['/v1/renewals', DeskRenewalRequest],
  ['/v1/renewals/confirmation', DeskConfirmationRequest],
  ['/v1/renewals/gates', DeskGatesRequest],
  ['/v1/time', DeskTimeRequest],
  ['/v1/arrivals', DeskArrivalRequest],
  ['/v1/looks', DeskLookRequest],
]);

/** Said of the desk, not of who asks. */
const ownFault: ReadonlySet<string> = new Set(['not_authenticated', 'kind_not_allowed']);

export interface Relayed {
  path: string;
  /** Who asks, as TLS below us sees it. */
  from: string;
  body: Buffer;
}

interface Way {
  authority: string;
  link: Link;
  relayMs: number;
}

/** The authority's answer as it came. @throws {PortcullisError} `request_malformed`, `authority_unreachable` */
export async function relay({ path, from, body }: Relayed, { authority, link, relayMs }: Way): Promise<Told> {
  const asked = relayedPaths.get(path)?.safeParse(parseJson(body));
  if (!asked?.success) throw new PortcullisError('request_malformed', misfit(asked?.error));
  const url = `${authority}/v1/desk${path.slice('/v1'.length)}`;
  const whole = JSON.stringify({ from, asked: asked.data });
  const answer = await link
    .request({ url, method: 'POST', body: whole, timeoutMs: relayMs })
    .catch((cause: unknown) => {
      // What went wrong between desk and authority is nothing that a stranger is told.
      throw new PortcullisError('authority_unreachable', 'the desk can not reach the authority; try again', { cause });
    });
  requireTaken(answer);
  const retryAfter = answer.headers['retry-after'];
  const headers = {
    'content-type': answer.headers['content-type'] ?? 'application/json',
    ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
  };
  return { status: answer.status, headers, body: answer.body };
}

const saidMax = 200;

/** The first thing that is wrong with it, as far as a line goes. */
function misfit(error: z.ZodError | undefined): string {
  const [issue] = error?.issues ?? [];
  const at = issue && issue.path.length > 0 ? issue.path.join('.') : 'the body, as JSON';
  return `the request does not fit what a desk relays: ${`${at}: ${issue?.message ?? 'nothing of this path'}`.slice(0, saidMax)}`;
}

/** @throws {PortcullisError} `authority_unreachable` where it is the desk that the authority refuses */
export function requireTaken(answer: LinkAnswer): void {
  if (answer.status !== 403 || !ownFault.has(problemOf(answer).code)) return;
  throw new PortcullisError('authority_unreachable', 'the authority takes nothing from this desk; try another');
}

function parseJson(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8')) as unknown;
  } catch {
    return undefined;
  }
}
