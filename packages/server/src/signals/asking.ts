import { isUtf8 } from 'node:buffer';
import { request as requestPlain } from 'node:http';
import { request as requestSecure } from 'node:https';
import { z } from 'zod';
import { answering, reachable } from '../bounds/bounds.ts';

/** As Alertmanager's API v2 tells them; what else it says of them is of no interest. */
const Alerts = z
  .array(z.object({ fingerprint: z.string().max(512), status: z.object({ state: z.string().max(64) }) }))
  .max(100_000);

/** Where a source is asked what it knows of. */
export interface Address {
  url: string;
  allowPrivate: boolean;
}

const answerMsMax = 10_000;
const answerBytesMax = 64 * 1024 * 1024;

/**
 * What a source knows of, by its own names: whether it keeps an alert to itself (silenced, or inhibited by another). A redirect is no answer.
 * Throws an Error that says why there is none.
 */
export async function askSource({ url, allowPrivate }: Address): Promise<Map<string, { muted: boolean }>> {
  const asked = new URL('/api/v2/alerts', url);
  const found = await reachable(asked.hostname, { allowPrivate });
  const request = asked.protocol === 'https:' ? requestSecure : requestPlain;
  const body = await new Promise<Buffer>((resolve, reject) => {
    const signal = AbortSignal.timeout(answerMsMax);
    const sent = request(asked, {
      lookup: answering(found),
      agent: false,
      signal,
      headers: { accept: 'application/json' },
    });
    sent.once('error', reject);
    sent.once('response', (answer) => {
      const pieces: Buffer[] = [];
      let bytes = 0;
      if (answer.statusCode !== 200) sent.destroy(new Error(`it answers with status ${answer.statusCode}`));
      answer.on('data', (piece: Buffer) => {
        bytes += piece.length;
        if (bytes > answerBytesMax) sent.destroy(new Error(`its answer has more than ${answerBytesMax} bytes`));
        else pieces.push(piece);
      });
      answer.once('end', () => resolve(Buffer.concat(pieces)));
      answer.once('error', reject);
    });
    sent.end();
  });
  if (!isUtf8(body)) throw new Error('its answer is not UTF-8');
  const told = Alerts.parse(JSON.parse(body.toString('utf8')));
  return new Map(told.map(({ fingerprint, status }) => [fingerprint, { muted: status.state === 'suppressed' }]));
}
