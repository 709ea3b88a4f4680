/** A crowd at a desk, in a process of its own: each comes over a new connection with an enrolment that is well formed and good for nothing. */
import { randomBytes } from 'node:crypto';
import { Agent, request } from 'node:https';
import { makeKey, makeRequest } from '../packages/device/src/device.ts';

interface Asked {
  url: string;
  ca: string;
  /** So many at once. */
  crowd: number;
}

process.once('message', ({ url, ca, crowd }: Asked) => {
  const pkcs10 = makeRequest(makeKey(), 'nobody').toString('base64');
  const counts = { answered: 0, failed: 0 };
  const secret = () => randomBytes(32).toString('base64url');
  const come = () => {
    const agent = new Agent({ ca, keepAlive: false, maxCachedSessions: 0 });
    const body = JSON.stringify({ proofKey: secret(), challenge: secret(), request: pkcs10, signature: 'AAAA' });
    const sent = request(`${url}/v1/enrolments`, {
      ...{ method: 'POST', agent, headers: { 'content-type': 'application/json', 'content-length': body.length } },
    });
    sent.on('response', (answer) => {
      counts.answered++;
      answer.resume();
    });
    sent.on('error', () => counts.failed++);
    sent.on('close', () => setImmediate(come));
    sent.end(body);
  };
  for (let index = 0; index < crowd; index++) come();
  process.on('message', () => process.send?.(counts));
  process.send?.('came');
});
