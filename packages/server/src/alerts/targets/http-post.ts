import { type IncomingMessage, Agent as PlainAgent, request as plainRequest, type RequestOptions } from 'node:http';
import { Agent, request } from 'node:https';
import { answering, type Reach, reachable } from '../../bounds/bounds.ts';
import { NotTold } from '../message.ts';

export interface Posting extends Reach {
  url: URL;
  /** Certificates that the server's own must come from; not given: those that the system trusts. */
  ca?: string | undefined;
}

/** Nothing of an answer is used but its status, and some of what it says of a failure. */
const answerBytesMax = 2_048;
const shownMax = 200;
/** These say that this one message is not taken, and nothing of others (RFC 9110 §15.5). */
const messageRefused: readonly number[] = [400, 413, 422];
const retryAfterSecondsMax = 3_600;

/**
 * One POST over a connection of its own, to an address that was checked after the name was resolved. No redirect is followed, no proxy
 * of the environment asked. @throws {NotTold} unless it is answered 2xx
 */
export async function post(
  { url, ca, ...reach }: Posting,
  headers: Record<string, string>,
  body: string,
  signal: AbortSignal,
): Promise<void> {
  const found = await reachable(url.hostname, reach).catch((error: Error) => {
    throw new NotTold(error.message, { cause: error });
  });
  const lookup = answering(found);
  const length = String(Buffer.byteLength(body));
  const asked = { method: 'POST', headers: { ...headers, 'content-length': length }, lookup, signal };
  const answer = await exchanged(url, { ...asked, ...(ca !== undefined && { ca }) }, body);
  const { statusCode = 0 } = answer;
  if (statusCode >= 200 && statusCode < 300) {
    answer.destroy();
    return;
  }
  const redirects = statusCode >= 300 && statusCode < 400 ? '; redirects are not followed' : '';
  const said = await startOf(answer);
  throw new NotTold(`it answered ${statusCode}${redirects}${said === '' ? '' : `: ${said}`}`, {
    messageAlone: messageRefused.includes(statusCode),
    retryAfterMs: retryAfterOf(answer),
  });
}

function exchanged(url: URL, options: RequestOptions & { ca?: string }, body: string): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const secure = url.protocol === 'https:';
    const agent = secure ? new Agent({ keepAlive: false }) : new PlainAgent({ keepAlive: false });
    const sent = (secure ? request : plainRequest)(url, { ...options, agent }, resolve);
    sent.on('error', (error: NodeJS.ErrnoException) => {
      reject(options.signal?.aborted ? options.signal.reason : new NotTold(wordsOf(error), { cause: error }));
    });
    sent.end(body);
  });
}

/** An error of several addresses has no words of its own. */
function wordsOf(error: NodeJS.ErrnoException): string {
  return error.message || error.code || 'the connection failed';
}

async function startOf(answer: IncomingMessage): Promise<string> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const piece of answer as AsyncIterable<Buffer>) {
      pieces.push(piece);
      bytes += piece.length;
      if (bytes >= answerBytesMax) break;
    }
  } catch {
    // What it began to say is said.
  }
  return Buffer.concat(pieces).toString('utf8').replace(/\s+/g, ' ').trim().slice(0, shownMax).toWellFormed();
}

/** In seconds alone: a date would need the two clocks to agree. */
function retryAfterOf({ headers }: IncomingMessage): number {
  const seconds = /^\d{1,9}$/.test(headers['retry-after'] ?? '') ? Number(headers['retry-after']) : 0;
  return Math.min(seconds, retryAfterSecondsMax) * 1_000;
}
