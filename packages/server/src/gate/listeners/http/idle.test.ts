import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { HttpTransport } from './transport.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const limits = { requestMs: 30_000, bodyBytesPerSecondMin: 1_024 };

/** What a request held, and how far it is. */
function arrived(transport: HttpTransport, far: { complete: boolean; writableFinished: boolean }): WeakRef<object> {
  const request = { ...far, body: Buffer.alloc(1_024) } as unknown as IncomingMessage;
  transport.arriving(request, { ...far, headersSent: true } as unknown as ServerResponse);
  return new WeakRef(request);
}

for (const [what, far, kept] of [
  ['has its answer', { complete: true, writableFinished: true }, false],
  ['waits for its answer', { complete: true, writableFinished: false }, true],
  ['is arriving', { complete: false, writableFinished: false }, true],
] as const) {
  test(`a request that ${what} is ${kept ? 'known' : 'not kept'} while its connection idles`, async () => {
    const transport = new HttpTransport(new Socket(), () => 0);
    const request = arrived(transport, far);
    await turn();
    assert.equal(transport.isTooSlow(limits), false);
    await turn();
    collect();
    assert.equal(request.deref() !== undefined, kept);
    assert.equal(transport.idleSince !== undefined, !kept);
  });
}
